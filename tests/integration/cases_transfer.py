"""Large bodies over all four protocol pairs: every byte arrives, memory stays flat, slow readers hold nobody up."""
import hashlib
import os
import socket
import threading
import time

from harness import case, check, equal, open_route, wait_until
from raw import Upstream, Wire, request

SIZE = 200 * 1024 * 1024
FLAT = 24 * 1024 * 1024  # what the resident set may grow by while a body passes, whatever its size


class PeakMemory:
    """The largest resident set of the proxy while the block runs."""

    def __init__(self, proxy):
        self.proxy, self.peak, self.before = proxy, 0, proxy.rss()
        self.done = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while not self.done.wait(0.02):
            try:
                self.peak = max(self.peak, self.proxy.rss())
            except OSError:
                return

    def __enter__(self):
        self.watcher.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.watcher.join()

    def check(self, what):
        grown = self.peak - self.before
        check(grown < FLAT, f"{what}: the resident set grew by {grown >> 20} MiB")


def upload_file(t):
    """One file for all cases of a run; random blocks, so that a lost or doubled block changes the digest."""
    path = f"{t.suite.folder}/upload"
    with t.certs.lock:
        if not os.path.exists(path):
            blocks = [os.urandom(1 << 20) for _ in range(7)]
            with open(path, "wb") as out:
                for i in range(SIZE >> 20):
                    out.write(blocks[i % 7])
    return path


def digest(path):
    sha = hashlib.sha256()
    with open(path, "rb") as body:
        while block := body.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


def to_http1(t, version):
    """The sample service digests what it gets and sends a known pattern."""
    proxy = t.proxy(t.config([open_route(t.service().url, timeout="0s", idle_timeout="60s")], timeout_read="0s"))
    t.curl(version, "-o", "/dev/null", proxy=proxy, path="/")
    sent = upload_file(t)
    with PeakMemory(proxy) as memory:
        answer = t.curl(version, "-T", sent, "-H", "Expect:", proxy=proxy, path="/upload", timeout=200)
    equal(answer.split(), [str(SIZE), digest(sent)], "length and SHA-256 of the upload")
    memory.check("upload")
    expected, block = hashlib.sha256(), bytes(range(256)) * 256
    for _ in range(SIZE // len(block)):
        expected.update(block)
    for query in ("", "&chunked=1"):
        with PeakMemory(proxy) as memory:
            t.curl(version, "-o", t.path("down"), proxy=proxy, path=f"/bytes?size={SIZE}{query}", timeout=200)
        equal(digest(t.path("down")), expected.hexdigest(), "SHA-256 of the download")
        memory.check("download")


def to_http2(t, version, tls):
    """nghttpd sends the upload back, so one exchange is both directions."""
    server = t.nghttpd(tls)
    keys = {"tls_custom_ca_file": t.certs.ca} if tls else {}
    proxy = t.proxy(t.config([open_route(server.url, timeout="0s", idle_timeout="60s", **keys)], timeout_read="0s"))
    equal(t.curl(version, proxy=proxy, path="/hello.txt"), "hello from a file\n", "a small answer")
    sent = upload_file(t)
    with PeakMemory(proxy) as memory:
        t.curl(version, "-X", "POST", "-T", sent, "-H", "Expect:", "-o", t.path("back"), proxy=proxy, path="/up",
               timeout=200)
    equal(digest(t.path("back")), digest(sent), "SHA-256 of what came back")
    memory.check("upload and download")


@case("curl")
def http1_to_http1(t):
    to_http1(t, "--http1.1")


@case("curl")
def http2_to_http1(t):
    to_http1(t, "--http2")


@case("curl", "nghttpd")
def http1_to_h2c(t):
    to_http2(t, "--http1.1", None)


@case("curl", "nghttpd")
def http2_to_http2_tls(t):
    to_http2(t, "--http2", "service")


@case("curl", "nghttpd")
def http2_to_h2c(t):
    to_http2(t, "--http2", None)


@case("curl")
def http1_to_https(t):
    """TLS on both sides, HTTP/1.1 on both sides."""
    service = t.service(tls="service")
    proxy = t.proxy(t.config([open_route(service.url, tls_custom_ca_file=t.certs.ca, timeout="0s")], timeout_read="0s"))
    sent = upload_file(t)
    t.curl("-o", "/dev/null", proxy=proxy, path="/")
    with PeakMemory(proxy) as memory:
        answer = t.curl("--http1.1", "-T", sent, "-H", "Expect:", proxy=proxy, path="/upload", timeout=200)
    equal(answer.split(), [str(SIZE), digest(sent)], "length and SHA-256 of the upload")
    memory.check("upload")


def flood(sock, counter, stop):
    """Sends a huge answer as fast as the proxy takes it."""
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (8 * SIZE))
    sock.settimeout(0.2)
    block = bytes(65536)
    while not stop.is_set():
        try:
            counter[0] += sock.send(block)
        except socket.timeout:
            continue
        except OSError:
            return


@case()
def slow_reader_stops_the_upstream(t):
    """A client that asks and does not read: the upstream comes to a halt, and memory does not grow."""
    counter, stop = [0], threading.Event()
    upstream = Upstream(t, on_connect=lambda sock: flood(sock, counter, stop))
    proxy = t.proxy(t.config([open_route(upstream.url)], tls=False))
    t.stack.callback(stop.set)
    with PeakMemory(proxy) as memory, Wire(proxy.port()) as wire:
        wire.send(request("/"))
        wait_until(lambda: counter[0] > 0, "the upstream to send")
        last, since = -1, time.monotonic()

        def halted():
            nonlocal last, since
            if counter[0] != last:
                last, since = counter[0], time.monotonic()
            return time.monotonic() - since > 0.7
        wait_until(halted, "the upstream to come to a halt", 20)
        check(counter[0] < 40 << 20, f"the upstream was let to send {counter[0] >> 20} MiB")
        # Reading again sets it going again.
        before = counter[0]
        wire.sock.settimeout(10)
        taken = 0
        while taken < 64 << 20:
            taken += len(wire.sock.recv(1 << 20))
        check(counter[0] > before, "reading did not set the upstream going again")
    memory.check("a slow reader")


@case()
def upstream_that_does_not_read(t):
    """An upload into an upstream that takes nothing: the client comes to a halt, and memory does not grow."""
    stop = threading.Event()
    t.stack.callback(stop.set)
    upstream = Upstream(t, on_connect=lambda sock: stop.wait(60))
    proxy = t.proxy(t.config([open_route(upstream.url)], tls=False))
    with PeakMemory(proxy) as memory, Wire(proxy.port(), timeout=1) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: %d\r\n\r\n" % (4 * SIZE))
        sent, block = 0, bytes(65536)
        try:
            while sent < 4 * SIZE:
                sent += wire.sock.send(block)
        except socket.timeout:
            pass
        check(sent < 40 << 20, f"the client was let to send {sent >> 20} MiB")
    memory.check("an upstream that does not read")


@case("curl")
def many_at_a_time(t):
    """Forty downloads at once through one HTTP/2 connection: each is whole, memory stays within their buffers."""
    proxy = t.proxy(t.config([open_route(t.service().url)]))
    t.curl("-o", "/dev/null", proxy=proxy, path="/")
    size = 2_000_000
    with PeakMemory(proxy) as memory:
        out = t.curl("--http2", "--parallel", "--parallel-max", "40", "-o", "/dev/null", "-w", "%{size_download}\n",
                     proxy=proxy, path=f"/bytes?size={size}&n=[1-40]")
    equal(out.split(), [str(size)] * 40, "sizes")
    memory.check("forty downloads")
