"""The process: addresses it listens on, reloads, certificate changes, drains, PROXY protocol, many connections."""
import contextlib
import json
import os
import re
import signal
import socket
import ssl
import struct
import threading
import time

from harness import (Skipped, accepts, case, check, equal, free_port, open_route, program, run, wait_until,
                     write_config)
from raw import Upstream, Wire, fields_of, request
from traffic import cpu_seconds


@case()
def ipv6_listener(t):
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
        raise Skipped("no IPv6")
    upstream = Upstream(t)
    proxy = t.proxy(t.config([open_route(upstream.url)], tls=False, address="[::1]:0"))
    check("[::1]:" in proxy.addresses[0], f"address: {proxy.addresses}")
    with Wire(proxy.port(), family=socket.AF_INET6) as wire:
        equal(wire.ask("/six").body, b"/six", "body")
    check("::1" in dict(fields_of(upstream.requests[0]))["x-forwarded-for"], "X-Forwarded-For")


@case()
def unix_listener(t):
    """A stale socket file does not stop the start; the file is gone after the end."""
    path = t.path("listener")
    upstream = Upstream(t)
    for _ in range(2):
        proxy = t.proxy(t.config([open_route(upstream.url)], tls=False, address=f"unix:{path}"))
        with Wire(path, family=socket.AF_UNIX) as wire:
            equal(wire.ask("/unix").body, b"/unix", "body")
        proxy.kill()
        check(os.path.exists(path), "a killed process cannot have removed its socket")
        t.proxies.remove(proxy)
    proxy = t.proxy(t.config([open_route(upstream.url)], tls=False, address=f"unix:{path}"))
    proxy.signal(signal.SIGTERM)
    equal(proxy.exit_code(), 0, "exit code")
    check(not os.path.exists(path), "the socket file stays behind")


@case()
def several_workers(t):
    proxy = t.proxy(t.config([open_route(t.service().url)], tls=False, workers=4))
    for i in range(40):
        with Wire(proxy.port()) as wire:
            equal(wire.ask(f"/{i}").body, b"hello from one: GET /%d\n" % i, "body")


def proxy_v2(source, destination, command=1, family=0x11, extra=b""):
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(destination[0]) + struct.pack("!HH", source[1], destination[1])
    payload = (addresses if family == 0x11 else b"") + extra
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x20 | command, family, len(payload)) + payload


@case()
def proxy_protocol(t):
    """Version 1 or 2 must come first, whole or byte by byte; anything else ends the connection unread."""
    upstream = Upstream(t)
    proxy = t.proxy(t.config([open_route(upstream.url)], tls=False, use_proxy_protocol=True))
    v2 = proxy_v2(("192.0.2.7", 4000), ("192.0.2.8", 443))
    for step in (0, 1):
        for header, client in ((b"PROXY TCP4 192.0.2.7 192.0.2.8 4000 443\r\n", "192.0.2.7"),
                               (b"PROXY TCP6 2001:db8::7 2001:db8::8 4000 443\r\n", "2001:db8::7"),
                               (b"PROXY UNKNOWN\r\n", "127.0.0.1"), (v2, "192.0.2.7"),
                               (proxy_v2(("192.0.2.7", 4000), ("192.0.2.8", 443), extra=b"\x04\0\x03abc"), "192.0.2.7"),
                               (proxy_v2(("192.0.2.7", 1), ("192.0.2.8", 1), command=0), "127.0.0.1")):
            with Wire(proxy.port()) as wire:
                wire.send(header + request("/pp"), step)
                equal(wire.answer().body, b"/pp", f"body after {header[:40]!r}")
            equal(dict(fields_of(upstream.requests[-1]))["x-forwarded-for"], client, f"client by {header[:40]!r}")
    served = len(upstream.requests)
    for header in (b"", b"PROXY TCP4 192.0.2.7 192.0.2.8 4000 443\n", b"PROXY TCP4 192.0.2.7 192.0.2.8 4000 99999\r\n",
                   b"PROXY TCP4 1.2.3 192.0.2.8 4000 443\r\n", b"PROXY TCP4 192.0.2.7 192.0.2.8 4000\r\n",
                   b"PROXY TCP4 192.0.2.7\0 192.0.2.8 4000 443\r\n", b"PROXY " + b"A" * 200 + b"\r\n", b"proxy TCP4\r\n",
                   v2[:12] + b"\x11" + v2[13:], v2[:13] + b"\x11\x00\x02" + v2[16:18],
                   v2[:12] + b"\x21\x11\xff\xff" + v2[16:],
                   proxy_v2(("1.2.3.4", 1), ("1.2.3.4", 1), extra=b"\x04\xff\xffabc")):
        with Wire(proxy.port()) as wire:
            wire.send(header + request("/never"))
            if len(header) < 60 or b"\xff\xff" not in header[:16]:
                check(wire.rest(3), f"stays open after {header[:40]!r}")
            equal(wire.received, b"", f"answer after {header[:40]!r}")
    equal(len(upstream.requests), served, "requests at the upstream")


@case("curl")
def proxy_protocol_before_tls(t):
    proxy = t.proxy(t.config([open_route(t.service().url)], use_proxy_protocol=True))
    out = json.loads(t.curl("--haproxy-protocol", proxy=proxy, path="/echo"))
    check(any(line.lower().startswith("x-forwarded-for:") for line in out["headers"]), f"no X-Forwarded-For: {out}")


@case()
def good_reload(t):
    """New routes serve at once, on old connections too; what did not change stays open."""
    one, two = Upstream(t), Upstream(t)
    config = t.config([open_route(one.url, prefix="/one")], tls=False)
    proxy = t.proxy(config)
    with Wire(proxy.port()) as wire:
        equal((wire.ask("/one").status, wire.ask("/two").status), (200, 404), "before")
        config["routes"].append(open_route(two.url, prefix="/two"))
        proxy.reload(config)
        wait_until(lambda: wire.ask("/two").status == 200, "the new route")
        equal(wire.ask("/one").status, 200, "the old route")
        config["routes"].pop(0)
        proxy.reload(config)
        wait_until(lambda: wire.ask("/one").status == 404, "the removed route to go")
    equal(len(one.connections), 1, "connections to the service that did not change")


@case()
def bad_reload(t):
    upstream = Upstream(t)
    config = t.config([open_route(upstream.url)], tls=False)
    proxy = t.proxy(config)
    with Wire(proxy.port()) as wire:
        equal(wire.ask("/a").status, 200, "before")
        bad = dict(config, surprise=1, workers="many")
        proxy.reload(bad)
        wait_until(lambda: re.search(r"proxy1.yaml:\d+:\d+: surprise", proxy.stderr())
                   and re.search(r"proxy1.yaml:\d+:\d+: workers", proxy.stderr()), "both faults on standard error")
        equal(wire.ask("/b").status, 200, "afterwards")
        proxy.reload(config)
    equal(len(upstream.connections), 1, "connections to the service")


@case()
def watched_file(t):
    config = t.config([open_route(Upstream(t).url, prefix="/a")], tls=False)
    proxy = t.proxy(config)
    with Wire(proxy.port()) as wire:
        equal(wire.ask("/b").status, 404, "before")
        config["routes"][0]["prefix"] = "/b"
        write_config(proxy.path, config)
        wait_until(lambda: wire.ask("/b").status == 200, "the change of the file to be seen")


def serial(t, proxy):
    context = ssl.create_default_context(cafile=t.certs.ca)
    plain = socket.create_connection(("127.0.0.1", proxy.port()), 10)
    with context.wrap_socket(plain, server_hostname="app.localhost") as sock:
        return sock.getpeercert()["serialNumber"]


@case("openssl")
def certificate_is_replaced(t):
    """New handshakes get the new certificate; the connection from before goes on."""
    kind, names = t.certs.NAMES["app"]
    pair = t.certs.issue("rotated", kind, names, t.folder)
    proxy = t.proxy(t.config([open_route(Upstream(t).url)], certificates=[pair]))
    context = ssl.create_default_context(cafile=t.certs.ca)
    first = serial(t, proxy)
    with Wire(proxy.port(), tls=context) as wire:
        equal(wire.ask("/a").status, 200, "before")
        for _ in range(3):
            t.certs.issue("rotated", kind, names, t.folder)
            wait_until(lambda: serial(t, proxy) != first, "the new certificate")
            first = serial(t, proxy)
            equal(wire.ask("/b").status, 200, "on the old connection")
    with open(pair["key"], "w") as out:
        out.write("broken\n")
    wait_until(lambda: "rotated.key" in proxy.stderr(), "the broken key to be named")
    equal(serial(t, proxy), first, "serial number after the broken key")


@case()
def drain_finishes_what_it_began(t):
    """SIGTERM while an answer is awaited: it arrives, with Connection: close; nobody new is let in; exit 0."""
    go = threading.Event()

    def script(seen, sock):
        go.wait(20)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"
    upstream = Upstream(t, script)
    proxy = t.proxy(t.config([open_route(upstream.url)], tls=False))
    port = proxy.port()
    with Wire(port) as busy, Wire(port) as idle:
        busy.send(request("/slow"))
        wait_until(lambda: upstream.requests, "the request at the service")
        proxy.signal(signal.SIGTERM)
        wait_until(lambda: not accepts(port), "the listener to close")
        check(idle.rest(5), "an idle connection stays open")
        check(proxy.running(), "ended before its exchange did")
        go.set()
        answer = busy.answer()
        equal((answer.body, (answer.header("connection") or "").lower()), (b"done", "close"), "body, connection")
    equal(proxy.exit_code(), 0, "exit code")


@case("nghttp")
def drain_over_http2(t):
    go = threading.Event()
    upstream = Upstream(t, lambda seen, sock: go.wait(20) and b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
    proxy = t.proxy(t.config([open_route(upstream.url)]))
    client = t.child([program("nghttp"), "-v", "-y", "--header=:authority: app.localhost",
                      f"https://127.0.0.1:{proxy.port()}/slow"])
    wait_until(lambda: upstream.requests, "the request at the service")
    proxy.signal(signal.SIGTERM)
    wait_until(lambda: any("recv GOAWAY" in line for line in list(client.lines)), "GOAWAY")
    go.set()
    equal(client.exit_code(), 0, "exit code of nghttp")
    out = "\n".join(client.lines)
    check(":status: 200" in out and "done" in out, out)
    equal(proxy.exit_code(), 0, "exit code")


@case()
def drain_has_a_deadline(t):
    upstream = Upstream(t, lambda seen, sock: threading.Event().wait(30))
    proxy = t.proxy(t.config([open_route(upstream.url)], tls=False, drain_timeout="300ms"))
    with Wire(proxy.port()) as wire:
        wire.send(request("/forever"))
        wait_until(lambda: upstream.requests, "the request at the service")
        proxy.signal(signal.SIGTERM)
        equal(proxy.exit_code(5), 0, "exit code")


@case()
def second_signal_ends_at_once(t):
    upstream = Upstream(t, lambda seen, sock: threading.Event().wait(30))
    proxy = t.proxy(t.config([open_route(upstream.url)], tls=False))
    port = proxy.port()
    with Wire(port) as wire:
        wire.send(request("/forever"))
        wait_until(lambda: upstream.requests, "the request at the service")
        proxy.signal(signal.SIGTERM)
        wait_until(lambda: not accepts(port), "the drain to begin")
        check(proxy.running(), "the first signal ended it")
        proxy.signal(signal.SIGINT)
        proxy.exit_code(3)
        wire.rest(3)
    t.proxies.remove(proxy)  # its exit code is not promised to be 0


@case("curl")
def nothing_leaks(t):
    """A thousand connections of every kind: descriptors come back to where they were."""
    proxy = t.proxy(t.config([open_route(t.service().url)], tls=False, timeout_idle="5s"))
    with Wire(proxy.port()) as wire:
        wire.ask("/")
    before = wait_until(proxy.descriptors, "descriptors")
    for round_ in range(10):
        wires = [Wire(proxy.port()) for _ in range(100)]
        for number, wire in enumerate(wires):
            kind = number % 4
            if kind == 0:
                wire.ask("/")
            elif kind == 1:
                wire.send(b"GET / HT")
            elif kind == 2:
                wire.send(b"\x00garbage\r\n\r\n")
            else:
                wire.send(request("/bytes?size=10000000"))
        for wire in wires:
            wire.sock.close()
    wait_until(lambda: proxy.descriptors() <= before + 4, f"descriptors to come back to {before}", 15)
    with Wire(proxy.port()) as wire:
        equal(wire.ask("/").status, 200, "status afterwards")


@case()
def connection_limit(t):
    proxy = t.proxy(t.config([open_route(Upstream(t).url)], tls=False, max_connections=10))
    wires = [Wire(proxy.port(), timeout=3) for _ in range(10)]
    for wire in wires:
        equal(wire.ask("/").status, 200, "status within the limit")
    with Wire(proxy.port(), timeout=1) as extra:
        extra.send(request("/"))
        closed = extra.rest(1)
        check(not extra.received.startswith(b"HTTP/1.1 200"), "served past the limit")
        check(closed or not extra.received, "neither closed nor waiting")
    for wire in wires:
        wire.sock.close()
    wait_until(lambda: served(proxy.port()), "the limit to be free again")


def served(port):
    try:
        with Wire(port, timeout=1) as wire:
            return wire.ask("/").status == 200
    except Exception:
        return False


@case()
def idle_timeout(t):
    proxy = t.proxy(t.config([open_route(Upstream(t).url)], tls=False, timeout_idle="300ms"))
    with Wire(proxy.port()) as wire:
        equal(wire.ask("/").status, 200, "status")
        check(wire.rest(3), "an idle connection stays open")


SAMPLE = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? ([0-9.]+|\+Inf)')


def scrape(address):
    """What metrics_address says: samples by name and labels. `promtool` has the last word where it is installed."""
    text = run(["curl", "-sS", "--noproxy", "*", "-H", "Host: cardea.internal", f"http://{address}/metrics"])
    samples, types = {}, set()
    for line in text.splitlines():
        if line.startswith("#"):
            check(re.fullmatch(r"# (HELP \w+ \S.*|TYPE \w+ (counter|gauge|histogram))", line), f"line: {line}")
            types.add(line.split()[2])
            continue
        found = SAMPLE.fullmatch(line)
        check(found and re.sub(r"_(bucket|sum|count)$", "", found[1]) in types | {found[1]}, f"line: {line}")
        samples[line.rsplit(" ", 1)[0]] = float(found[3])
    promtool = program("promtool")
    if promtool:
        told = run([promtool, "check", "metrics"], stdin=text.encode(), expect=None)
        equal((told.code, told + told.err), (0, ""), "what promtool says")
    return samples


@case("curl")
def metrics(t):
    """metrics_address counts what clients do, over several workers, moves with a reload and keeps its numbers."""
    address = f"127.0.0.1:{free_port()}"
    upstream = Upstream(t)
    name = 'a "b" \\c'
    config = t.config([open_route(upstream.url, name=name)], tls=False, workers=3, metrics_address=address)
    proxy = t.proxy(config)
    for _ in range(9):
        with Wire(proxy.port()) as wire:
            equal(wire.ask("/").status, 200, "status")
    label = '"a \\"b\\" \\\\c"'
    expected = {"cardea_requests_total": 9, "cardea_responses_2xx_total": 9, "cardea_request_duration_seconds_count": 9,
                f'cardea_route_requests_total{{route={label},class="2xx"}}': 9,
                f"cardea_cluster_requests_total{{cluster={label}}}": 9,
                f"cardea_cluster_endpoints_healthy{{cluster={label}}}": 1}

    def expect(address):
        samples = scrape(address)
        equal({sample: samples.get(sample) for sample in expected}, expected, "samples")
    expect(address)
    refused = run(["curl", "-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", f"http://{address}/exchanges"])
    equal(refused, "404", "status of what is not the metrics")
    moved = f"127.0.0.1:{free_port()}"
    proxy.reload(dict(config, metrics_address=moved, connect_timeout="3s"))
    wait_until(lambda: accepts(int(moved.rsplit(":", 1)[1])), "the new address")
    expect(moved)
    check(not accepts(int(address.rsplit(":", 1)[1])), "the old address still answers")


@case("curl", "openssl")
def metrics_of_tls(t):
    address = f"127.0.0.1:{free_port()}"
    routes = [open_route(Upstream(t).url)]
    proxy = t.proxy(t.config(routes, metrics_address=address,
                             downstream_mtls={"ca_file": t.certs.ca, "enforcement": "reject_connection"}))
    t.certs.authority(t.path("stranger.pem"), t.path("stranger.key"))
    t.curl(proxy=proxy, expect=None)
    t.curl("--cert", t.path("stranger.pem"), "--key", t.path("stranger.key"), proxy=proxy, expect=None)
    with Wire(proxy.port()) as wire:
        wire.send(b"no TLS at all\r\n\r\n")
        check(wire.rest(3), "the connection to end")
    samples = scrape(address)
    told = {name: samples["cardea_downstream_tls_" + name + "_total"] for name in
            ("errors", "no_client_certificate", "client_certificate_errors", "handshakes")}
    equal(told, {"errors": 3, "no_client_certificate": 1, "client_certificate_errors": 1, "handshakes": 0}, "TLS errors")
    proxy.reload(t.config(routes, metrics_address=address))
    context = ssl._create_unverified_context()

    def unknown_name():
        with contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", proxy.port()), 10) as plain:
                context.wrap_socket(plain, server_hostname="nobody.example").close()
        return scrape(address)["cardea_downstream_tls_unknown_names_total"] >= 1
    wait_until(unknown_name, "a name that no certificate has")
    # The new configuration is there: from now on whoever leaves without close_notify is no error.
    before = scrape(address)
    for _ in range(3):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", proxy.port()), 10) as plain:
            with context.wrap_socket(plain, server_hostname="nobody.example") as secure:
                secure.send(b"GET / HTTP/1.1\r\nHost: nobody.example\r\n\r\n")
                secure.recv(1000)
    gone = "cardea_downstream_connections_active"
    wait_until(lambda: scrape(address)[gone] == 0, "the clients to be gone")
    after = scrape(address)
    check(after["cardea_downstream_tls_handshakes_total"] >= before["cardea_downstream_tls_handshakes_total"] + 3, "handshakes")
    equal(after["cardea_downstream_tls_errors_total"], before["cardea_downstream_tls_errors_total"], "errors")


@case("prlimit")
def descriptors(t):
    """More clients than descriptors: whoever is in is served, nothing spins, and everything is well again when they go."""
    with open(t.suite.binary, "rb") as binary:
        if b"__ubsan_handle" in binary.read():
            raise Skipped("UBSan reads an object's type through a pipe: without descriptors every type looks wrong to it")
    proxy = t.proxy(t.config([open_route(Upstream(t).url)], tls=False), under=("prlimit", "--nofile=80:80"))
    with contextlib.ExitStack() as stack:
        inside = [stack.enter_context(Wire(proxy.port(), timeout=5)) for _ in range(10)]
        for wire in inside:
            equal(wire.ask("/in").status, 200, "status before")
        crowd = []
        for _ in range(300):
            sock = socket.socket()
            stack.enter_context(sock)
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", proxy.port()))
            crowd.append(sock)
        wait_until(lambda: proxy.descriptors() >= 60, lambda: f"the descriptors to be used up: {proxy.descriptors()}")
        spent, since = cpu_seconds(proxy.pid), time.monotonic()
        while time.monotonic() < since + 2:
            for wire in inside:
                equal(wire.ask("/still").status, 200, "status of one who was in before")
            time.sleep(0.1)
        spent = cpu_seconds(proxy.pid) - spent
        check(spent < 0.5, f"{spent:.2f} s of CPU time in two seconds")
        for sock in crowd:
            sock.close()
        wait_until(lambda: served(proxy.port()), "a new client to be served", 5)
        equal({wire.ask("/after").status for wire in inside}, {200}, "statuses afterwards")
    wait_until(lambda: proxy.descriptors() <= proxy.at_start + 11, lambda: f"{proxy.at_start} descriptors: {proxy.descriptors()}")
