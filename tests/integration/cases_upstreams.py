"""Where requests go: balancing, failures, pools, upstream TLS, names, timeouts, misbehaving services."""
import collections
import signal
import socket
import threading
import time

from harness import Failure, Skipped, case, check, equal, free_port, open_route, program, wait_until
from raw import Upstream, Wire, path_answer


def plain(t, to, route_keys=None, **keys):
    return t.proxy(t.config([open_route(to, **(route_keys or {}))], tls=False, **keys))


def ask_many(port, count, target="/"):
    """`count` requests on one connection; their statuses and the services that answered."""
    statuses, names = collections.Counter(), collections.Counter()
    with Wire(port) as wire:
        for _ in range(count):
            answer = wire.ask(target)
            statuses[answer.status] += 1
            names[answer.header("x-service")] += 1
    return statuses, names


@case()
def weighted_round_robin(t):
    one, two = t.service("one"), t.service("two")
    _, names = ask_many(plain(t, [one.url + ",3", two.url + ",1"]).port(), 80)
    equal(dict(names), {"one": 60, "two": 20}, "answers of each service")


@case()
def refused_connect_costs_nothing(t):
    """One of two endpoints refuses: every request is served by the other, uploads too."""
    proxy = plain(t, [f"http://127.0.0.1:{free_port()}", t.service().url])
    with Wire(proxy.port()) as wire:
        for i in range(20):
            equal(wire.ask("/", "POST", body=b"x" * 1000).status, 200, f"status of POST {i}")
            equal(wire.ask("/").status, 200, f"status of GET {i}")


@case()
def killed_service_under_load(t):
    """One of two services is killed while requests flow: those that it had not begun to answer are served by the other."""
    one, two = t.service("one"), t.service("two")
    proxy = plain(t, [one.url, two.url])
    failures, done = [], threading.Event()

    def client():
        while not done.is_set():
            try:
                with Wire(proxy.port()) as wire:
                    while not done.is_set():
                        answer = wire.ask("/")
                        if answer.status != 200 or not answer.whole:
                            failures.append(answer.status)
                        if not answer.whole:
                            break  # a cut answer ends its connection
            except Failure:
                failures.append("closed")
    clients = [threading.Thread(target=client, daemon=True) for _ in range(8)]
    for c in clients:
        c.start()
    before = time.monotonic()
    wait_until(lambda: time.monotonic() - before > 0.5, "load")
    one.signal(signal.SIGSTOP)  # it can no longer take a request …
    one.signal(signal.SIGKILL)  # … and is gone
    before = time.monotonic()
    wait_until(lambda: time.monotonic() - before > 1, "load without it")
    done.set()
    for c in clients:
        c.join(10)
    # A request that was already written to the dead service may not be repeated: at most one a client.
    check(len(failures) <= 8 and set(failures) <= {200, 502, 503}, f"failures: {collections.Counter(failures)}")
    statuses, names = ask_many(proxy.port(), 40)
    equal((dict(statuses), dict(names)), ({200: 40}, {"two": 40}), "afterwards")


@case()
def everything_down(t):
    proxy = plain(t, f"http://127.0.0.1:{free_port()}")
    started = time.monotonic()
    with Wire(proxy.port()) as wire:
        answer = wire.ask("/")
        equal(answer.status, 503, "status")
    check(time.monotonic() - started < 1, "a refused connect took longer than a second")


@case()
def service_that_comes_back(t):
    port = free_port()
    proxy = plain(t, f"http://127.0.0.1:{port}")
    with Wire(proxy.port()) as wire:
        equal(wire.ask("/").status, 503, "status while it is down")
        t.service("back", listen=f"127.0.0.1:{port}")
        equal(wire.ask("/").status, 200, "status when it is back")


@case()
def stale_pooled_connections(t):
    """The service closes its idle connection: the next request does not notice."""
    upstream = Upstream(t)
    with Wire(plain(t, upstream.url).port()) as wire:
        for i in range(5):
            equal(wire.ask(f"/{i}").body, b"/%d" % i, "body")
            upstream.sockets[-1].shutdown(socket.SHUT_RDWR)
    equal(len(upstream.connections), 5, "upstream connections")


@case()
def connection_that_dies_with_the_request(t):
    """Closed without a byte of answer on a connection that had served before: a GET is asked once more."""
    state = {"dead": False}

    def script(seen, sock):
        if seen.startswith(b"GET /second") and not state["dead"]:
            state["dead"] = True
            return None
        return path_answer(seen)
    upstream = Upstream(t, script)
    with Wire(plain(t, upstream.url).port()) as wire:
        equal(wire.ask("/first").body, b"/first", "first body")
        answer = wire.ask("/second")
        check((answer.status, answer.body) == (200, b"/second") or answer.status == 502, f"{answer.status} {answer.body}")
        equal(wire.ask("/third").body, b"/third", "third body")


@case()
def post_is_never_sent_twice(t):
    counts = collections.Counter()

    def script(seen, sock):
        if seen.startswith(b"POST"):
            counts[seen.split(b" ")[1]] += 1
            return None
        return path_answer(seen)
    upstream = Upstream(t, script)
    with Wire(plain(t, upstream.url).port()) as wire:
        for i in range(5):
            equal(wire.ask("/warm").status, 200, "status of the GET")
            equal(wire.ask(f"/post{i}", "POST", body=b"money").status, 502, "status of the POST")
    equal(set(counts.values()), {1}, "times that each POST was seen")


@case()
def early_answer(t):
    """The service answers while the upload still runs: the client gets it, the connection is not used again."""
    def on_connect(sock):
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        while sock.recv(65536):
            pass
    upstream = Upstream(t, on_connect=on_connect)
    with Wire(plain(t, upstream.url).port()) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 100000000\r\n\r\n" + bytes(100_000))
        answer = wire.answer()
        equal((answer.status, answer.body), (413, b"big"), "answer")
        check(wire.rest(5) or not wire.send(bytes(10)), "stays open with an unfinished upload")


# What the service answers -> what the client must see. 502: never a byte of the answer; cut: the client can tell.
MISBEHAVIOUR = [
    ("garbage", b"\x00\x01\x02\x03garbage\r\n\r\n", 502),
    ("two digits", b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", 502),
    ("four digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", 502),
    ("status 000", b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n", 502),
    ("status 600", b"HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n", 502),
    ("HTTP/2.0", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", 502),
    ("HTTP/0.9", b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n", 502),
    ("ICY", b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n", 502),
    ("no version", b"200 OK\r\nContent-Length: 0\r\n\r\n", 502),
    ("NUL in the reason", b"HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n", 502),
    ("only LF", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", 502),
    ("folded field", b"HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n", 502),
    ("bare CR in a value", b"HTTP/1.1 200 OK\r\nX-A: 1\rX-B: 2\r\nContent-Length: 0\r\n\r\n", 502),
    ("NUL in a value", b"HTTP/1.1 200 OK\r\nX-A: 1\x002\r\nContent-Length: 0\r\n\r\n", 502),
    ("CL and TE", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502),
    ("two CL", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 502),
    ("TE gzip", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx", 502),
    ("huge head", b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * (1 << 20) + b"\r\n\r\n", 502),
    ("5000 fields", b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 5000 + b"\r\n", 502),
    ("1000 early hints", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000 + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 502),
    ("101 unasked", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw", 502),
    ("nothing", b"", 502),
    ("half a head", b"HTTP/1.1 200 OK\r\nContent-Le", 502),
    ("3 of 10 bytes", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "cut"),
    ("between chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "cut"),
    ("bad chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX\r\n0\r\n\r\n", "cut"),
    ("a second answer",
     b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "ok"),
]


@case("curl")
def misbehaving_services(t):
    """Each answer to both protocols; after each, another request gets its own answer."""
    answers = {f"/{number}": row for number, row in enumerate(MISBEHAVIOUR)}

    def script(seen, sock):
        row = answers.get(seen.split(b" ")[1].decode())
        if not row:
            return path_answer(seen)
        return row[1] if row[2] == "ok" else sock.sendall(row[1])  # None: and then it closes
    upstream = Upstream(t, script)
    proxy = t.proxy(t.config([open_route(upstream.url, timeout="5s")]))
    plain_proxy = plain(t, upstream.url, {"timeout": "5s"})
    for path, (name, _, wanted) in answers.items():
        with Wire(plain_proxy.port()) as wire:
            answer = wire.ask(path)
            while answer.status == 103:
                answer = wire.answer()
            if wanted == "cut":
                check(not answer.whole, f"{name}: looks whole to an HTTP/1.1 client")
            else:
                equal((answer.status, answer.body == b"ok"), (502, False) if wanted == 502 else (200, True), name)
        out = t.curl("--http2", "-o", "/dev/null", "-w", "%{http_code}", proxy=proxy, path=path, expect=None)
        if wanted == "cut":
            check(out.code in (16, 18, 56, 92), f"{name}: looks whole to an HTTP/2 client: {out.code} {out.err}")
        else:
            equal((out.code, str(out)), (0, "502" if wanted == 502 else "200"), f"{name} over HTTP/2")
        with Wire(plain_proxy.port()) as wire:
            equal(wire.ask(f"/after{path}").body, f"/after{path}".encode(), f"the next answer after «{name}»")


@case()
def timeouts_name_their_phase(t):
    """TCP, TLS and DNS that never finish, and an answer that never comes: 504 at the deadline."""
    def held(ms, port, deadline):
        started = time.monotonic()
        with Wire(port) as wire:
            equal(wire.ask("/").status, 504, deadline)
        took = time.monotonic() - started
        check(ms / 1000 - 0.05 <= took < ms / 1000 + 1.5, f"{deadline}: took {took:.2f} s")
    # A listener whose queue is full: further SYNs are dropped.
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
        fillers.append(filler)
    silent = Upstream(t, on_connect=lambda sock: sock.recv(1 << 20) and sock.recv(1))
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dns.bind(("127.0.0.1", 0))
    for url, keys, config, what in (
            (f"http://127.0.0.1:{full.getsockname()[1]}", {"connect_timeout": "400ms"}, {}, "tcp"),
            (silent.url.replace("http", "https"), {"connect_timeout": "400ms"}, {}, "tls"),
            ("http://name.invalid-zone.example:80", {"connect_timeout": "400ms"},
             {"dns_resolvers": [f"udp://127.0.0.1:{dns.getsockname()[1]}"]}, "dns"),
            (silent.url, {"timeout": "400ms"}, {}, "response")):
        proxy = plain(t, url, keys, **config)
        held(400, proxy.port(), what)
        proxy.verdict()
        last = t.access_log()[-1]
        check(what in last["cause"] or what == "response" and "upstream_timeout" in last["cause"], f"cause: {last['cause']}")
    for sock in [full, dns, *fillers]:
        sock.close()


@case()
def slow_clients(t):
    """The head's deadline and the request's deadline are totals: dripping does not extend them."""
    proxy = plain(t, t.service().url, request_headers_timeout="400ms", timeout_read="700ms")
    for name, head, low, high in (("head", b"GET / HTTP/1.1\r\nHost: app.localhost\r\n", 0.3, 2.5),
                                  ("body", b"POST /upload HTTP/1.1\r\nHost: app.localhost\r\n"
                                           b"Content-Length: 100\r\n\r\n", 0.6, 3)):
        with Wire(proxy.port(), timeout=0.05) as wire:
            started = time.monotonic()
            wire.send(head)
            while time.monotonic() - started < 5 and wire.send(b"X"):
                try:
                    if not wire.sock.recv(65536):
                        break
                except socket.timeout:
                    continue
                except OSError:
                    break
            took = time.monotonic() - started
            check(low < took < high, f"slow {name}: ended after {took:.2f} s")


@case()
def upstream_tls_is_verified(t):
    service = t.service("secure", tls="service")
    other = t.service("other", tls="wild")
    stranger = t.path("stranger.pem")
    t.certs.authority(stranger, t.path("stranger.key"))
    for url, keys, good in (
            (service.url, {"tls_custom_ca_file": t.certs.ca}, True),
            (service.url.replace("127.0.0.1", "localhost"), {"tls_custom_ca_file": t.certs.ca}, True),
            (service.url, {"tls_custom_ca_file": t.certs.ca, "tls_server_name": "service.localhost"}, True),
            (service.url, {"tls_custom_ca_file": t.certs.ca, "tls_upstream_server_name": "wrong.localhost"}, False),
            (service.url, {"tls_custom_ca_file": stranger}, False),
            (service.url, {}, False),
            (service.url, {"tls_skip_verify": True}, True),
            (other.url, {"tls_custom_ca_file": t.certs.ca}, False),
            (other.url, {"tls_custom_ca_file": t.certs.ca, "tls_server_name": "any.wild.localhost"}, True)):
        with Wire(plain(t, url, keys).port()) as wire:
            status = wire.ask("/").status
            check(status == 200 if good else status in (502, 503), f"{url} {keys}: status {status}")


@case()
def upstream_client_certificate(t):
    service = t.service("mutual", tls="service", client_ca=t.certs.ca)
    client = t.certs.pair("client")
    keys = {"tls_custom_ca_file": t.certs.ca}
    with Wire(plain(t, service.url, dict(keys, tls_client_cert_file=client["cert"],
                                         tls_client_key_file=client["key"])).port()) as wire:
        equal(wire.ask("/").status, 200, "status with the certificate")
    with Wire(plain(t, service.url, keys).port()) as wire:
        check(wire.ask("/").status in (502, 503), "served without the certificate")


@case()
def pools_do_not_mix_tls_attributes(t):
    """Two routes to one service, one with a client certificate: its connections never serve the other route."""
    service = t.service("mutual", tls="service", client_ca=t.certs.ca)
    client = t.certs.pair("client")
    routes = [open_route(service.url, prefix="/with", tls_custom_ca_file=t.certs.ca, tls_client_cert_file=client["cert"],
                         tls_client_key_file=client["key"]),
              open_route(service.url, prefix="/without", tls_custom_ca_file=t.certs.ca)]
    with Wire(t.proxy(t.config(routes, tls=False)).port()) as wire:
        for _ in range(3):
            equal(wire.ask("/with").status, 200, "status with")
            check(wire.ask("/without").status in (502, 503), "the other route's connection was used")


@case("nghttpd")
def http2_upstreams(t):
    """h2c by prior knowledge, and HTTP/2 by ALPN: both downstream protocols, small answers, HEAD, 404."""
    for tls, keys in ((None, {}), ("service", {"tls_custom_ca_file": t.certs.ca})):
        proxy = plain(t, t.nghttpd(tls).url, keys)
        with Wire(proxy.port()) as wire:
            for _ in range(50):
                equal(wire.ask("/hello.txt").body, b"hello from a file\n", "body")
            equal(wire.ask("/hello.txt", "HEAD").header("content-length"), "18", "content-length of HEAD")
            equal(wire.ask("/missing").status, 404, "status of a missing file")
            equal(wire.ask("/up", "POST", body=b"y" * 300_000).body, b"y" * 300_000, "what was sent back")
        proxy.verdict()
        protocol = t.access_log()[-1].get("upstream_protocol", "")
        check(protocol.lower() in ("h2", "http/2", "http/2.0"), f"protocol in the log: {protocol!r}")


@case("nghttpd")
def http2_upstream_restarts(t):
    server = t.nghttpd()
    port = server.url.rsplit(":", 1)[1]
    proxy = plain(t, server.url)
    with Wire(proxy.port()) as wire:
        equal(wire.ask("/hello.txt").status, 200, "status before")
        server.kill()
        equal(wire.ask("/hello.txt").status, 503, "status while it is down")
        t.child([program("nghttpd"), "--address=127.0.0.1", f"--htdocs={t.suite.files}", "--no-tls", port])
        wait_until(lambda: wire.ask("/hello.txt").status == 200, "the service to be back")


@case()
def unix_upstream(t):
    service = t.service("unix", listen=f"unix:{t.path('s')}")
    with Wire(plain(t, service.url).port()) as wire:
        answer = wire.ask("/echo", "POST", body=b"x" * 100_000)
        equal((answer.status, answer.header("x-service")), (200, "unix"), "status, service")


@case()
def ipv6_upstream(t):
    try:
        service = t.service("six", listen="[::1]:0")
    except Failure:
        raise Skipped("no IPv6 loopback")
    with Wire(plain(t, service.url).port()) as wire:
        equal(wire.ask("/").header("x-service"), "six", "service")


@case()
def names_from_the_hosts_file(t):
    service = t.service()
    with Wire(plain(t, service.url.replace("127.0.0.1", "localhost")).port()) as wire:
        equal(wire.ask("/").status, 200, "status")


@case()
def cut_downloads_are_not_pooled(t):
    proxy = plain(t, t.service().url)
    for _ in range(5):
        with Wire(proxy.port()) as wire:
            answer = wire.ask("/cut")
            equal((answer.whole, answer.body), (False, b"0123456789"), "whole, body")
        with Wire(proxy.port()) as wire:
            equal(wire.ask("/x").body, b"hello from one: GET /x\n", "the next answer")
