"""Hostile input over real sockets: each row of hostile_rows.py whole and byte by byte, sixteen connections at a time.

For each: the answer, closed within a second, what the service saw, and that a request on a new connection afterwards
gets its own answer. The process must survive a whole table."""
import concurrent.futures
import socket
import ssl

import http2_wire
from harness import CASES, Failure, case, check, equal, open_route, wait_until
from hostile_rows import Refused, TABLES
from raw import Upstream, Wire, request

AFTER = request("/evil-TAG")


def routes(url):
    closed = {"to": url}
    return [{"from": "https://app.localhost", "prefix": "/admin", **closed}, open_route(url),
            {"from": "https://closed.localhost", **closed},
            {"from": "https://public.localhost", "prefix": "/admin", **closed},
            open_route(url, host="public.localhost", prefix="/public")]


def dechunked(seen):
    """The body behind a head, without chunk lines: how a body is cut is the proxy's business."""
    body = seen.partition(b"\r\n\r\n")[2]
    return b"".join(body.split(b"\r\n")[1::2])


def play(port, upstream, row, tag, step):
    """Sends one row; gives what is wrong, or None."""
    sent = row.wire.replace(b"TAG", tag)
    with Wire(port, timeout=5) as wire:
        # Long rows are cut more coarsely: the bytes that matter are few, and a write each takes its time.
        if isinstance(row.outcome, Refused) and not row.outcome.stays_open:
            sent += AFTER.replace(b"TAG", tag)
        wire.send(sent, step and max(step, len(sent) // 2000))
        if isinstance(row.outcome, Refused):
            return refused(wire, row.outcome)
        answer = wire.answer()
        while answer.status < 200:
            answer = wire.answer()
        if answer.status != 200:
            return f"status {answer.status} instead of the service's answer"
        seen = b"".join(r for r in list(upstream.requests) if tag in r)
        seen += dechunked(seen)
        for wanted in row.outcome.seen:
            if wanted.replace(b"TAG", tag).lower() not in seen.lower():
                return f"the service did not see {wanted!r}: {seen[:400]!r}"
        for unwanted in row.outcome.unseen:
            if unwanted.lower() in seen.lower():
                return f"the service saw {unwanted!r}: {seen[:400]!r}"
    return None


def refused(wire, outcome):
    if outcome.silent and not wire.received and wire.rest(2) and not wire.received:
        return None
    answer = wire.answer()
    if answer.status not in outcome.statuses:
        return f"status {answer.status} instead of {outcome.statuses}"
    if not answer.whole:
        return "the refusal is cut short"
    if not outcome.stays_open and not wire.rest(1):
        return f"still open a second after {answer.status}"
    return None


def went_upstream(upstream, row, tag):
    if row.outcome.in_body:
        return any(tag in whole for whole in list(upstream.requests)) or b"evil-" + tag in upstream.everything()
    return tag in upstream.everything()


def run_row(port, upstream, number, row):
    problems = []
    for step, way in ((0, "whole"), (1, "byte by byte")):
        tag = b"t%dx%d-" % (number, step)
        try:
            problem = play(port, upstream, row, tag, step)
            if isinstance(row.outcome, Refused) and went_upstream(upstream, row, tag):
                problem = f"it went upstream ({problem})"
            with Wire(port, timeout=5) as wire:
                after = wire.ask("/after-" + tag.decode())
                if (after.status, after.body) != (200, b"/after-" + tag):
                    problem = f"the next request got {after.status} {after.body!r} ({problem})"
        except (Failure, OSError, ValueError) as error:
            problem = f"{type(error).__name__}: {error}"
        if problem:
            problems.append(f"«{row.name}» {way}: {problem}")
    return problems


def run_table(t, rows):
    upstream = Upstream(t)
    proxy = t.proxy(t.config(routes(upstream.url), tls=False))
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        results = pool.map(lambda item: run_row(proxy.port(), upstream, *item), enumerate(rows))
        problems = [problem for found in results for problem in found]
    check(proxy.running(), "the proxy did not survive")
    check(not problems, lambda: f"{len(problems)} of {2 * len(rows)}:\n  " + "\n  ".join(problems))


def table_case(name, rows):
    def table(t):
        run_table(t, rows)
    CASES.append((f"hostile.{name}", table, ()))


for table_name, table_rows in TABLES.items():
    table_case(table_name, table_rows)


@case()
def every_cut_of_a_smuggling_attempt(t):
    """CL.TE and a served chunked request, cut into two writes at every position: the same verdict each time."""
    upstream = Upstream(t)
    port = t.proxy(t.config(routes(upstream.url), tls=False)).port()
    bad = TABLES["length_and_encoding"][0].wire
    good = (b"POST /good HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n")
    for sent, status in ((bad, 400), (good, 200)):
        for cut in range(1, len(sent)):
            with Wire(port, timeout=5) as wire:
                wire.send(sent[:cut])
                wire.send(sent[cut:])
                equal(wire.answer().status, status, f"status when cut at {cut}")
    check(b"TAG" not in upstream.everything(), "bytes of the refused one went upstream")


@case()
def ten_thousand_pipelined(t):
    """A client that never reads: one request in flight, memory stays, the connection does not live for ever."""
    upstream = Upstream(t)
    proxy = t.proxy(t.config(routes(upstream.url), tls=False, stream_idle_timeout="2s", timeout_idle="2s"))
    with Wire(proxy.port()) as wire:
        wire.ask("/warm")
    before = proxy.rss()
    with Wire(proxy.port(), timeout=2) as wire:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            wire.sock.sendall(request("/p") * 10_000)
        except (socket.timeout, OSError):
            pass
        check(proxy.rss() - before < 8 << 20, f"the resident set grew by {(proxy.rss() - before) >> 10} KiB")
    with Wire(proxy.port()) as wire:
        equal(wire.ask("/after").body, b"/after", "the next answer")


@case()
def chunk_overhead_is_bounded(t):
    """One-byte chunks with a 1 KiB extension each: refused once the overhead is past its budget."""
    upstream = Upstream(t)
    port = t.proxy(t.config(routes(upstream.url), tls=False)).port()
    with Wire(port) as wire:
        wire.send(b"POST /c HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                  + (b"1;" + b"x" * 1024 + b"\r\na\r\n") * 10_000)
        check(wire.answer().status in (400, 413), "status")
        check(wire.rest(2), "stays open")


@case()
def endless_chunk_size(t):
    port = t.proxy(t.config(routes(Upstream(t).url), tls=False)).port()
    with Wire(port) as wire:
        wire.send(b"POST /c HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 200_000)
        equal(wire.answer().status, 400, "status")
        check(wire.rest(2), "stays open")


@case()
def upgrade_answered_with_200(t):
    """After an upgrade that did not happen, the next bytes are a request like any other: a closed path stays closed."""
    upstream = Upstream(t)
    port = t.proxy(t.config(routes(upstream.url), tls=False)).port()
    with Wire(port) as wire:
        wire.send(request("/up", headers=["Connection: Upgrade", "Upgrade: websocket"]) + request("/admin/secret"))
        wire.answer()
        try:
            equal(wire.answer().status, 403, "status of the closed path")
        except Failure as closed:
            check("closed before" in str(closed), str(closed))
    check(b"/admin" not in upstream.everything(), "the closed path went upstream")


@case()
def bytes_after_connect_are_not_relayed(t):
    upstream = Upstream(t)
    port = t.proxy(t.config(routes(upstream.url), tls=False)).port()
    with Wire(port) as wire:
        wire.send(b"CONNECT app.localhost:443 HTTP/1.1\r\nHost: app.localhost:443\r\n\r\nRAW-BYTES")
        check(wire.answer().status in (400, 403, 404, 405, 501), "CONNECT is let through")
        wire.rest(1)
    equal(upstream.everything(), b"", "bytes at the upstream")


@case()
def http2_preface_on_an_http1_listener(t):
    port = t.proxy(t.config(routes(Upstream(t).url), tls=False, codec_type="http1")).port()
    with Wire(port) as wire:
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
        check(wire.answer().status in (400, 505), "status")
        check(wire.rest(2), "stays open")


@case()
def http2_fields(t):
    """What must not come through the downgrade: refused on its stream, or sent on harmless; siblings go on."""
    upstream = Upstream(t)
    proxy = t.proxy(t.config(routes(upstream.url)))
    context = ssl.create_default_context(cafile=t.certs.ca)
    context.set_alpn_protocols(["h2"])
    problems = []
    for number, row in enumerate(http2_wire.ROWS):
        tag = f"h{number}-"
        try:
            with http2_wire.Client(proxy.port(), context) as client:
                problem = http2_wire.play(client, row, tag)
            seen = [r for r in list(upstream.requests) if tag.encode() in r]
            if row.refused and seen:
                problem = f"went upstream: {seen[0][:200]!r} ({problem})"
            elif not row.refused and not problem:
                problem = row.fault_of(b"".join(seen))
        except (Failure, OSError) as error:
            problem = f"{type(error).__name__}: {error}"
        if problem:
            problems.append(f"«{row.name}»: {problem}")
    check(proxy.running(), "the proxy did not survive")
    check(not problems, lambda: f"{len(problems)} of {len(http2_wire.ROWS)}:\n  " + "\n  ".join(problems))


@case()
def http2_client_leaves_in_mid_upload(t):
    """RST_STREAM, then the whole connection: the service never sees the end of the message."""
    upstream = Upstream(t)
    proxy = t.proxy(t.config(routes(upstream.url)))
    context = ssl.create_default_context(cafile=t.certs.ca)
    context.set_alpn_protocols(["h2"])
    for leave in ("reset", "close"):
        with http2_wire.Client(proxy.port(), context) as client:
            client.headers(1, http2_wire.standard(f"/cut-{leave}", "POST"), end=False)
            client.data(1, b"hello", end=False)
            wait_until(lambda: f"/cut-{leave}".encode() in upstream.everything(), "the head at the service")
            if leave == "reset":
                client.reset(1)
                equal(client.ask(3, http2_wire.standard("/sibling"))[0], "200", "status of a sibling")
    with Wire(t.proxy(t.config(routes(upstream.url), tls=False)).port()) as wire:
        equal(wire.ask("/next").body, b"/next", "the next answer")
    check(all(b"/cut-" not in r for r in upstream.requests), "an unfinished request was completed")
