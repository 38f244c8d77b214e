"""The clients that people have: curl, h2load, wrk, nghttp, Python's and Go's own."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import select
import socket
import ssl
import threading
import time

from harness import ROOT, Failure, Skipped, accepts, case, check, equal, free_port, open_route, program, run, wait_until
from raw import Wire


def served(t, tls=True, **keys):
    return t.proxy(t.config([open_route(t.service().url)], tls=tls, **keys))


@case("curl")
def curl_http1(t):
    out = t.curl("--http1.1", "-w", "%{http_version}", proxy=served(t), path="/some/path?q=1")
    equal(out, "hello from one: GET /some/path?q=1\n1.1", "answer")


@case("curl")
def curl_http2(t):
    out = t.curl("--http2", "-w", "%{http_version}", proxy=served(t), path="/some/path?q=1")
    equal(out, "hello from one: GET /some/path?q=1\n2", "answer")


@case("curl")
def curl_http2_prior_knowledge(t):
    out = t.curl("--http2-prior-knowledge", "-w", "%{http_version}", proxy=served(t, tls=False), path="/p")
    equal(out, "hello from one: GET /p\n2", "answer")


@case("curl")
def curl_never_upgrades_to_h2c(t):
    """Plain HTTP/2 is by prior knowledge; «Upgrade: h2c» is an ordinary HTTP/1.1 request and goes nowhere."""
    out = t.curl("--http2", "-w", "%{http_version}", proxy=served(t, tls=False), path="/echo")
    check(out.endswith("1.1"), f"curl spoke {out[-3:]}")
    names = {line.split(":")[0].lower() for line in json.loads(out[:-3])["headers"]}
    equal(names & {"upgrade", "http2-settings", "connection"}, set(), "upgrade headers at the service")


@case("curl")
def curl_hundred_parallel(t):
    proxy = served(t)
    for version in ("--http1.1", "--http2"):
        out = t.curl("--parallel", "--parallel-max", "100", version, "-w", "%{http_code}\n", "-o", "/dev/null",
                     proxy=proxy, path="/n[1-100]")
        equal(out.split(), ["200"] * 100, f"statuses with {version}")


@case("curl")
def curl_methods_and_bodies(t):
    proxy = served(t)
    for version in ("--http1.1", "--http2"):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            out = json.loads(t.curl(version, "-X", method, "-d", "x" * 1000, proxy=proxy, path="/echo"))
            equal((out["method"], out["body_length"]), (method, 1000), f"{version} {method}")


def h2load(t, proxy, *arguments, count=20000):
    url = f"{proxy.addresses[0].split(':')[0]}://app.localhost:{proxy.port()}/"
    out = run(["h2load", f"-n{count}", "-c50", f"--connect-to=127.0.0.1:{proxy.port()}", *arguments, url], 300)
    found = re.search(r"requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", out)
    check(found, f"no summary: {out[-500:]}")
    equal(tuple(map(int, found.groups())), (count, 0, 0, 0), "succeeded, failed, errored, timeout")
    equal(int(re.search(r"status codes: (\d+) 2xx", out)[1]), count, "2xx")


@case("h2load")
def h2load_tls(t):
    h2load(t, served(t), "-m20")


@case("h2load")
def h2load_prior_knowledge(t):
    h2load(t, served(t, tls=False), "-m20")


@case("h2load")
def h2load_http1(t):
    h2load(t, served(t), "--h1")


@case("h2load", "nghttpd")
def h2load_to_http2(t):
    url = t.nghttpd(arguments=["--max-concurrent-streams=100"]).url
    h2load(t, t.proxy(t.config([open_route(url)])), "-m20")


@case("h2load")
def h2load_uploads(t):
    body = t.path("body")
    with open(body, "wb") as out:
        out.write(os.urandom(100_000))
    h2load(t, served(t), "-m20", f"--data={body}", count=2000)


def wrk(t, proxy):
    url = f"{proxy.addresses[0].split(':')[0]}://127.0.0.1:{proxy.port()}/"
    out = run(["wrk", "-t1", "-c50", "-d2s", "-H", "Host: app.localhost", url], 60)
    check("Socket errors" not in out and "Non-2xx" not in out, out)
    check(int(re.search(r"(\d+) requests in", out)[1]) > 100, out)


@case("wrk")
def wrk_plain(t):
    wrk(t, served(t, tls=False))


@case("wrk")
def wrk_tls(t):
    wrk(t, served(t))


@case("nghttp")
def nghttp_verbose(t):
    proxy = served(t)
    out = run(["nghttp", "-v", f"--header=:authority: app.localhost:{proxy.port()}", "-y",
               f"https://127.0.0.1:{proxy.port()}/x"])
    for wanted in ("The negotiated protocol: h2", "recv SETTINGS frame", "SETTINGS_MAX_CONCURRENT_STREAMS",
                   ":status: 200", "hello from one: GET /x", "; END_STREAM"):
        check(wanted in out, f"«{wanted}» is not in: {out}")
    check("recv GOAWAY" not in out and "recv RST_STREAM" not in out, out)


def https(t, proxy):
    """A connection of http.client's that does not ask the resolver for the name."""
    connection = http.client.HTTPSConnection("app.localhost", proxy.port(), timeout=20)
    connection.sock = client_tls(t).wrap_socket(socket.create_connection(("127.0.0.1", proxy.port()), 20),
                                                server_hostname="app.localhost")
    return connection


def client_tls(t, *protocols):
    context = ssl.create_default_context(cafile=t.certs.ca)
    context.set_alpn_protocols(list(protocols or ["http/1.1"]))
    return context


@case()
def python_http_client(t):
    """One connection, many requests; then several clients, each of which must get its own answers."""
    proxy = served(t)

    def talk(number):
        connection = https(t, proxy)
        for i in range(100):
            body = b"%d-%d" % (number, i) * (i * 7)
            connection.request("POST", f"/echo?{number}-{i}", body=body)
            answer = json.loads(connection.getresponse().read())
            equal((answer["target"], answer["body_length"]), (f"/echo?{number}-{i}", len(body)), "echo")
        connection.close()
    talk(0)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(talk, range(1, 9)))


@case()
def python_chunked_upload(t):
    proxy = served(t)
    connection = https(t, proxy)
    connection.request("POST", "/echo", body=iter([b"abc", b"x" * 100_000, b"def"]), encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})
    answer = json.loads(connection.getresponse().read())
    equal(answer["body_length"], 100_006, "length of the body at the service")


@case("go")
def go_client(t):
    """net/http over HTTP/1.1 and HTTP/2: 50 at a time, every answer to its own request, none lost."""
    proxy = served(t)
    env = dict(os.environ, GO111MODULE="off", GOPROXY="off", GOTOOLCHAIN="local")
    env.setdefault("GOCACHE", t.suite.folder + "/go-cache" if "HOME" not in os.environ else
                   os.path.join(os.environ["HOME"], ".cache/go-build"))
    binary = t.path("client")
    run([program("go"), "build", "-o", binary, os.path.join(ROOT, "tests/integration/client.go")], 240, env=env)
    for protocol in ("HTTP/1.1", "HTTP/2.0"):
        out = run([binary, "-ca", t.certs.ca, "-port", str(proxy.port()), "-protocol", protocol, "-count", "2000",
                   "-parallel", "50"], 120)
        equal(out.strip(), f"2000 answers over {protocol}", "the client's report")


@case()
def python_h2_client(t):
    """python3-h2, where it is installed: many streams on one connection, uploads interleaved."""
    try:
        import h2.config
        import h2.connection
        import h2.events
    except ImportError:
        raise Skipped("no python3-h2")
    proxy = served(t)
    sock = client_tls(t, "h2").wrap_socket(socket.create_connection(("127.0.0.1", proxy.port()), 20),
                                           server_hostname="app.localhost")
    equal(sock.selected_alpn_protocol(), "h2", "ALPN")
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    bodies, statuses, ended = {}, {}, set()
    for i in range(50):
        stream = connection.get_next_available_stream_id()
        connection.send_headers(stream, [(":method", "POST"), (":path", f"/echo?{stream}"), (":scheme", "https"),
                                         (":authority", "app.localhost")])
        connection.send_data(stream, b"x" * stream, end_stream=True)
        bodies[stream] = b""
    while len(ended) < 50:
        sock.sendall(connection.data_to_send())
        received = sock.recv(65536)
        if not received:
            raise Failure(f"connection closed after {len(ended)} answers")
        for event in connection.receive_data(received):
            if isinstance(event, h2.events.ResponseReceived):
                statuses[event.stream_id] = dict(event.headers)[":status"]
            elif isinstance(event, h2.events.DataReceived):
                bodies[event.stream_id] += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                ended.add(event.stream_id)
            elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                raise Failure(f"unexpected {event}")
    for stream, body in bodies.items():
        answer = json.loads(body)
        equal((statuses[stream], answer["target"], answer["body_length"]), ("200", f"/echo?{stream}", stream), "stream")


class Bridge:
    """A port for programs that speak TCP only: each connection goes on through the proxy by CONNECT over TLS."""

    def __init__(self, t, proxy, target):
        self.proxy, self.target, self.tls = proxy, target, ssl.create_default_context(cafile=t.certs.ca)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        t.stack.callback(self.listener.close)
        t.stack.callback(self.listener.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                threading.Thread(target=self.join, args=(client,), daemon=True).start()

    def join(self, client):
        """One thread for both directions, as TLS demands; each is blocking only where the other has nothing to say."""
        with client, contextlib.suppress(OSError), Wire(self.proxy.port(), timeout=30, tls=self.tls) as wire:
            wire.send(f"CONNECT {self.target} HTTP/1.1\r\nHost: {self.target}\r\n\r\n".encode())
            equal(wire.take_head()[0], 200, "status of CONNECT")
            client.sendall(wire.received)
            while True:
                ready = [wire.sock] if wire.sock.pending() else select.select([wire.sock, client], [], [])[0]
                for source in ready:
                    piece = source.recv(65536)
                    if not piece:
                        return
                    (client if source is wire.sock else wire.sock).sendall(piece)


@case("redis-server", "redis-cli")
def redis(t):
    """redis-cli through a TCP route: small and large values, and a subscription that outlives every idle timeout."""
    port = free_port()
    t.child([program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", t.folder])
    wait_until(lambda: accepts(port), "redis-server to listen")
    target = "redis.localhost:6379"
    route = {"from": f"tcp+https://{target}", "to": f"tcp://127.0.0.1:{port}", "allow_public_unauthenticated_access": True}
    proxy = t.proxy(t.config([route], timeout_idle="500ms", stream_idle_timeout="500ms", default_upstream_timeout="500ms",
                             timeout_read="500ms"))
    command = [program("redis-cli"), "-p", str(Bridge(t, proxy, target).port)]
    equal(run([*command, "PING"]).strip(), "PONG", "PING")
    value = os.urandom(1 << 19).hex()
    equal(run([*command, "-x", "SET", "large"], stdin=value.encode()).strip(), "OK", "SET of 1 MiB")
    equal(run([*command, "GET", "large"]).strip() == value, True, "GET gives what was SET")
    subscriber = t.child([*command, "SUBSCRIBE", "news"])
    wait_until(lambda: "subscribe" in subscriber.lines, "the subscription")
    time.sleep(1.5)  # three idle timeouts
    equal(run([*command, "PUBLISH", "news", "still here"]).strip(), "1", "subscribers")
    wait_until(lambda: "still here" in subscriber.lines, "the news")
