"""Messages end to end: framing, 1xx, trailers, connections, rewriting, redirects, forwarding headers."""
import json
import re
import socket

from harness import case, check, equal, open_route, run
from raw import Upstream, Wire, fields_of, path_answer, request


def plain(t, to, **keys):
    return t.proxy(t.config([open_route(to)], tls=False, **keys))


@case()
def keep_alive_both_sides(t):
    upstream = Upstream(t)
    with Wire(plain(t, upstream.url).port()) as wire:
        for i in range(100):
            equal(wire.ask(f"/n{i}").body, b"/n%d" % i, "body")
    equal(len(upstream.connections), 1, "upstream connections")


@case()
def http10(t):
    upstream = Upstream(t)
    proxy = plain(t, upstream.url)
    with Wire(proxy.port()) as wire:
        wire.send(b"GET /old HTTP/1.0\r\nHost: app.localhost\r\n\r\n")
        equal(wire.answer().body, b"/old", "body")
        check(wire.rest(3), "an HTTP/1.0 connection without keep-alive stays open")
    with Wire(proxy.port()) as wire:
        for i in range(3):
            wire.send(b"GET /k%d HTTP/1.0\r\nHost: app.localhost\r\nConnection: keep-alive\r\n\r\n" % i)
            equal(wire.answer().body, b"/k%d" % i, "body")


@case()
def http10_gets_no_chunks(t):
    proxy = plain(t, t.service().url)
    with Wire(proxy.port()) as wire:
        wire.send(b"GET /bytes?size=100000&chunked=1 HTTP/1.0\r\nHost: app.localhost\r\n\r\n")
        answer = wire.answer()
        equal((answer.header("transfer-encoding"), len(answer.body)), (None, 100000), "transfer-encoding, length")


@case()
def connection_close(t):
    with Wire(plain(t, Upstream(t).url).port()) as wire:
        answer = wire.ask("/last", headers=["Connection: close"])
        equal((answer.body, (answer.header("connection") or "").lower()), (b"/last", "close"), "body, connection")
        check(wire.rest(3), "stays open")


@case()
def pipelining(t):
    """Three in one write: answers in order, one in flight upstream, nothing after the one that closes."""
    upstream = Upstream(t)
    with Wire(plain(t, upstream.url).port()) as wire:
        wire.send(request("/a") + request("/b", headers=["Connection: close"]) + request("/c"))
        equal([wire.answer().body, wire.answer().body], [b"/a", b"/b"], "bodies")
        check(wire.rest(3), "stays open after Connection: close")
    check(b"/c" not in upstream.everything(), "the third request went upstream")


@case()
def head_and_no_content(t):
    with Wire(plain(t, t.service().url).port()) as wire:
        answer = wire.ask("/bytes?size=1000", "HEAD")
        equal((answer.status, answer.header("content-length")), (200, "1000"), "HEAD")
        for code in (204, 304):
            answer = wire.ask(f"/status?code={code}")
            equal((answer.status, answer.header("transfer-encoding")), (code, None), "status, transfer-encoding")
        equal(wire.ask("/status?code=404").status, 404, "status of the next answer")


@case()
def chunked_both_ways(t):
    with Wire(plain(t, t.service().url).port()) as wire:
        wire.send(b"POST /echo HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                  b"5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-After: 1\r\n\r\n")
        equal(json.loads(wire.answer().body)["body_length"], 11, "length of the body at the service")
        answer = wire.ask("/bytes?size=100000&chunked=1")
        equal((len(answer.body), answer.whole), (100000, True), "length, whole")


@case()
def trailers(t):
    with Wire(plain(t, t.service().url).port()) as wire:
        answer = wire.ask("/trailers", headers=["TE: trailers"])
        equal((answer.body, answer.whole), (b"hello", True), "body")
        equal([line.lower() for line in getattr(wire, "trailers", [])], [b"x-checksum: 5d41402a"], "trailers")


@case("nghttp")
def trailers_to_http2(t):
    proxy = t.proxy(t.config([open_route(t.service().url)]))
    out = run(["nghttp", "-v", "-y", "--header=:authority: app.localhost", "--header=te: trailers",
               f"https://127.0.0.1:{proxy.port()}/trailers"])
    check("x-checksum: 5d41402a" in out, out)


@case("nghttp")
def early_hints(t):
    url = t.service().url
    with Wire(plain(t, url).port()) as wire:
        first = wire.ask("/hints")
        equal((first.status, first.header("link")), (103, "</style.css>; rel=preload"), "first answer")
        equal(wire.answer().body, b"one hinted\n", "final body")
    proxy = t.proxy(t.config([open_route(url)]))
    out = run(["nghttp", "-v", "-y", "--header=:authority: app.localhost", f"https://127.0.0.1:{proxy.port()}/hints"])
    check(":status: 103" in out and ":status: 200" in out, out)


@case()
def expect_continue(t):
    """The body is withheld: exactly one 100, then the answer."""
    with Wire(plain(t, t.service().url).port()) as wire:
        wire.send(b"POST /upload HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        equal(wire.answer().status, 100, "first status")
        wire.send(b"hello")
        answer = wire.answer()
        equal((answer.status, answer.body[:2]), (200, b"5 "), "final answer")
        equal(wire.ask("/").status, 200, "next request on the connection")


@case()
def expect_continue_on_a_closed_route(t):
    upstream = Upstream(t)
    routes = [{"from": "https://app.localhost", "to": upstream.url}]
    with Wire(t.proxy(t.config(routes, tls=False)).port()) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        equal(wire.answer().status, 403, "status")
        check(wire.rest(3), "the connection stays open although its body was never read")
    equal(upstream.everything(), b"", "bytes at the upstream")


@case()
def closed_by_default(t):
    upstream = Upstream(t)
    routes = [{"from": "https://app.localhost", "to": upstream.url},
              open_route(upstream.url, host="open.localhost", prefix="/public")]
    with Wire(t.proxy(t.config(routes, tls=False)).port()) as wire:
        for host, path, status in (("app.localhost", "/", 403), ("open.localhost", "/public/x", 200),
                                   ("open.localhost", "/publicx", 404), ("open.localhost", "/", 404),
                                   ("nowhere.localhost", "/", 404), ("OPEN.localhost:1234", "/public", 200)):
            equal(wire.ask(path, host=host).status, status, f"{host}{path}")
    equal(len(upstream.requests), 2, "requests at the upstream")


@case()
def local_answers_are_marked(t):
    routes = [{"from": "https://app.localhost", "to": "http://127.0.0.1:1"}]
    with Wire(t.proxy(t.config(routes, tls=False)).port()) as wire:
        answer = wire.ask("/")
        equal((answer.status, answer.header("cache-control")), (403, "no-store"), "status, cache-control")
        equal(answer.header("content-length"), str(len(answer.body)), "content-length")
        check(any("cardea" in f"{n}: {v}".lower() for n, v in answer.headers), f"no marker: {answer.headers}")
        check("127.0.0.1" not in answer.body.decode() and ":1" not in answer.body.decode(), f"an address: {answer.body}")


@case()
def redirects_and_direct_responses(t):
    def redirect(path, **keys):
        return {"from": "https://app.localhost", "path": path, "redirect": keys, "allow_public_unauthenticated_access": True}
    routes = [redirect("/host", host_redirect="other.localhost"),
              redirect("/code", path_redirect="/to", response_code=307),
              redirect("/strip", path_redirect="/to", strip_query=True),
              redirect("/https", https_redirect=True),
              {"from": "https://app.localhost", "prefix": "/old", "redirect": {"prefix_rewrite": "/new"},
               "allow_public_unauthenticated_access": True},
              {"from": "https://app.localhost", "path": "/teapot", "response": {"status": 418, "body": "short and stout"},
               "allow_public_unauthenticated_access": True}]
    with Wire(t.proxy(t.config(routes, tls=False)).port()) as wire:
        for path, status, location in (("/host?q=1", 301, "http://other.localhost/host?q=1"),
                                       ("/code?q=1", 307, "http://app.localhost/to?q=1"),
                                       ("/strip?q=1", 301, "http://app.localhost/to"),
                                       ("/https", 301, "https://app.localhost/https"),
                                       ("/old/x?q=1", 301, "http://app.localhost/new/x?q=1")):
            answer = wire.ask(path)
            equal((answer.status, answer.header("location")), (status, location), path)
        answer = wire.ask("/teapot")
        equal((answer.status, answer.body), (418, b"short and stout"), "direct response")


@case()
def http_redirect_listener(t):
    proxy = t.proxy(t.config([open_route(t.service().url)], http_redirect_addr="127.0.0.1:0"), listeners=2)
    check({a.split(":")[0] for a in proxy.addresses} == {"https", "http"}, f"listeners: {proxy.addresses}")
    index = next(i for i, a in enumerate(proxy.addresses) if a.startswith("http:"))
    with Wire(proxy.port(index)) as wire:
        answer = wire.ask("/x?y=1")
        equal((answer.status, answer.header("location")), (301, "https://app.localhost/x?y=1"), "redirect")


@case()
def rewriting(t):
    upstream = Upstream(t)
    host = f"127.0.0.1:{upstream.port}"
    routes = [open_route(upstream.url, prefix="/prefix", prefix_rewrite="/other"),
              open_route(upstream.url, prefix="/regex", regex_rewrite_pattern="^/regex/(.*)$",
                         regex_rewrite_substitution="/\\1/x"),
              open_route(upstream.url + "/base", prefix="/base-of-to"),
              open_route(upstream.url, prefix="/host", host_rewrite="rewritten.example"),
              open_route(upstream.url, prefix="/preserve", preserve_host_header=True),
              open_route(upstream.url, prefix="/header", host_rewrite_header="X-Want")]
    with Wire(t.proxy(t.config(routes, tls=False)).port()) as wire:
        for path, target, at in (("/prefix/a?q", b"/other/a?q", host), ("/regex/a?q", b"/a/x?q", host),
                                 ("/host/a", b"/host/a", "rewritten.example"), ("/preserve", b"/preserve", "app.localhost"),
                                 ("/header", b"/header", "wanted.example")):
            equal(wire.ask(path, headers=["X-Want: wanted.example"]).body, target, path)
            equal(dict(fields_of(upstream.requests[-1]))["host"], at, f"Host for {path}")


@case()
def request_and_response_headers(t):
    def script(seen, sock):
        return path_answer(seen).replace(b"\r\n", b"\r\nX-Old: http://inner/x\r\nX-Gone: 1\r\n", 1)
    upstream = Upstream(t, script)
    routes = [open_route(upstream.url, set_request_headers={"X-Set": "a $$ b", "X-Both": "set"},
                         remove_request_headers=["X-Removed", "X-Both"], set_response_headers={"X-Answer": "yes"},
                         rewrite_response_headers=[{"header": "X-Old", "prefix": "http://inner/", "value": "https://outer/"}])]
    with Wire(t.proxy(t.config(routes, tls=False)).port()) as wire:
        answer = wire.ask("/", headers=["X-Removed: 1", "X-Both: client", "X-Set: client", "X-Kept: 1"])
        seen = fields_of(upstream.requests[0])
        equal([v for n, v in seen if n == "x-set"], ["a $ b"], "X-Set")
        equal([v for n, v in seen if n == "x-both"], ["set"], "X-Both")
        equal((dict(seen).get("x-removed"), dict(seen).get("x-kept")), (None, "1"), "X-Removed, X-Kept")
        equal((answer.header("x-answer"), answer.header("x-old")), ("yes", "https://outer/x"), "X-Answer, X-Old")


@case()
def forwarding_headers(t):
    """A client cannot say who it is: what it claims is replaced, identity headers are removed in every spelling."""
    upstream = Upstream(t)
    claimed = ["X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil", "X-Real-IP: 6.6.6.6",
               "Forwarded: for=6.6.6.6", "X-Pomerium-Claim-Email: root@x", "X-Pomerium-Jwt-Assertion: a.b.c",
               "x-pomerium-authorization: x", "X-Pomerium-Reproxy-Policy: x"]
    with Wire(plain(t, upstream.url, skip_xff_append=False).port()) as wire:
        equal(wire.ask("/", headers=claimed).status, 200, "status")
    seen = fields_of(upstream.requests[0])
    fields = dict(seen)
    check(fields["x-forwarded-for"].split(",")[-1].strip() == "127.0.0.1", f"X-Forwarded-For: {fields['x-forwarded-for']}")
    equal(fields["x-forwarded-proto"], "http", "X-Forwarded-Proto")
    for name, value in seen:
        check(not name.startswith("x-pomerium") and "evil" not in value, f"{name}: {value} went upstream")
        check("6.6.6.6" not in value or name == "x-forwarded-for", f"{name}: {value} went upstream")


@case()
def hop_by_hop_fields_stay(t):
    upstream = Upstream(t)
    with Wire(plain(t, upstream.url).port()) as wire:
        wire.ask("/", headers=["Connection: keep-alive, X-Hop", "X-Hop: 1", "Keep-Alive: timeout=5", "TE: trailers",
                               "Proxy-Connection: keep-alive", "X-Stays: 1"])
    names = {n for n, _ in fields_of(upstream.requests[0])}
    equal(names & {"x-hop", "keep-alive", "proxy-connection"}, set(), "hop-by-hop fields at the upstream")
    check("x-stays" in names, f"X-Stays is lost: {names}")


@case()
def limits_of_a_head(t):
    upstream = Upstream(t)
    port = plain(t, upstream.url).port()
    for what, sent, status in (
            ("request line", request("/" + "a" * 9000), 414),
            ("one field", request("/", headers=["X-Big: " + "a" * 70_000]), 431),
            ("101 fields", request("/", headers=[f"X-{i}: 1" for i in range(101)]), 431),
            ("endless head", b"GET / HTTP/1.1\r\nHost: app.localhost\r\n" + b"X-A: aaaaaaaaaaaaaaaa\r\n" * 400_000, 431)):
        with Wire(port) as wire:
            wire.send(sent)
            equal(wire.answer().status, status, what)
            check(wire.rest(3), f"{what}: stays open")
    equal(upstream.everything(), b"", "bytes at the upstream")


@case()
def upgrade_is_refused(t):
    """What follows a refused upgrade is never relayed raw: it is a request of its own."""
    upstream = Upstream(t)
    with Wire(plain(t, upstream.url).port()) as wire:
        answer = wire.ask("/chat", headers=["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                                            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="])
        check(answer.status != 101, "switched protocols")
        wire.send(b"\x81\x05hello")
        wire.rest(3)
    check(b"\x81\x05hello" not in upstream.everything(), "frames went upstream")
    check(b"upgrade" not in upstream.everything().lower(), "Upgrade went upstream")


@case()
def access_log_is_json(t):
    proxy = plain(t, t.service().url)
    with Wire(proxy.port()) as wire:
        wire.ask("/logged?secret=1", headers=['User-Agent: a"b\\c'])
        wire.ask("/status?code=404")
    proxy.verdict()
    first, second = t.access_log()
    equal((first["method"], first["host"].split(":")[0], first["path"], first["status"]),
          ("GET", "app.localhost", "/logged", 200), "first record")
    equal(second["status"], 404, "status of the second record")
    check(re.fullmatch("[0-9a-f]{32}", first["trace_id"]), f"trace_id: {first['trace_id']}")
    check(first["trace_id"] != second["trace_id"], "two requests in one trace that nobody named")
    check("secret" not in json.dumps(first), f"the query is in the log: {first}")
    check(re.fullmatch(r"[\d.]+", first["peer"].rsplit(":", 1)[0]), f"peer: {first['peer']}")


@case()
def client_that_leaves(t):
    """Gone in the middle of its upload: the upstream never sees a finished message."""
    upstream = Upstream(t)
    proxy = plain(t, upstream.url)
    for framing in ("Content-Length: 100", "Transfer-Encoding: chunked"):
        with Wire(proxy.port()) as wire:
            wire.send(f"POST /cut HTTP/1.1\r\nHost: app.localhost\r\n{framing}\r\n\r\n5\r\nhello\r\n".encode())
            wire.sock.shutdown(socket.SHUT_RDWR)
    with Wire(proxy.port()) as wire:
        equal(wire.ask("/next").body, b"/next", "the next answer")
    check(all(b"/cut" not in r for r in upstream.requests), "an unfinished request was completed")
