"""Sockets without a library between: an HTTP/1.1 client that sends what it is told, and an upstream that records every
byte and answers what it is told."""
import re
import socket
import threading
import time

from harness import Failure, check


class Answer:
    """One HTTP/1.1 answer as it came: status, header list, body, and whether it ended as announced."""

    def __init__(self, status, headers, body, whole):
        self.status, self.headers, self.body, self.whole = status, headers, body, whole

    def header(self, name):
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)


class Wire:
    """A raw connection to the proxy."""

    def __init__(self, port, timeout=10, family=socket.AF_INET, tls=None, name="app.localhost"):
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self.sock = socket.create_connection((host, port) if isinstance(port, int) else port, timeout) \
            if family != socket.AF_UNIX else socket.socket(socket.AF_UNIX)
        if family == socket.AF_UNIX:
            self.sock.settimeout(timeout)
            self.sock.connect(port)
        else:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname=name)
        self.received = b""
        self.closed = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, sent, step=0):
        """All at once, or `step` bytes a write; stops quietly when the proxy closed meanwhile."""
        try:
            for at in range(0, len(sent), step or len(sent) or 1):
                self.sock.sendall(sent[at:at + step] if step else sent)
        except OSError:
            return False
        return True

    def more(self):
        """Reads once; False at the end of the connection."""
        try:
            piece = self.sock.recv(65536)
        except socket.timeout:
            raise Failure(f"no more bytes after {self.received[-200:]!r}")
        except OSError:
            piece = b""
        self.closed = not piece
        self.received += piece
        return bool(piece)

    def rest(self, seconds):
        """Reads until the proxy closes, at most so long. True: it closed."""
        until = time.monotonic() + seconds
        while not self.closed:
            left = until - time.monotonic()
            if left <= 0:
                return False
            self.sock.settimeout(left)
            try:
                self.more()
            except Failure:
                return False
        return True

    def take_head(self):
        while b"\r\n\r\n" not in self.received:
            if not self.more():
                raise Failure(f"closed before an answer: {self.received[:200]!r}")
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        status = re.fullmatch(r"HTTP/1\.[01] (\d{3})( .*)?", lines[0])
        check(status, f"not a status line: {lines[0]!r}")
        return int(status[1]), [tuple(p.strip() for p in line.split(":", 1)) for line in lines[1:]]

    def answer(self, method="GET"):
        """The next answer (1xx included, one at a time)."""
        status, headers = self.take_head()
        fields = {n.lower(): v for n, v in headers}
        if method == "HEAD" or status < 200 or status in (204, 304):
            return Answer(status, headers, b"", True)
        if fields.get("transfer-encoding") == "chunked":
            return Answer(status, headers, *self.chunks())
        if "content-length" in fields:
            size = int(fields["content-length"])
            while len(self.received) < size and self.more():
                pass
            body, self.received = self.received[:size], self.received[size:]
            return Answer(status, headers, body, len(body) == size)
        while self.more():
            pass
        body, self.received = self.received, b""
        return Answer(status, headers, body, True)

    def line(self):
        while b"\r\n" not in self.received:
            if not self.more():
                return None
        line, self.received = self.received.split(b"\r\n", 1)
        return line

    def chunks(self):
        body = b""
        while True:
            line = self.line()
            if line is None:
                return body, False
            size = int(line.split(b";")[0], 16)
            if size == 0:
                while line := self.line():
                    self.trailers = getattr(self, "trailers", []) + [line]
                return body, line is not None
            while len(self.received) < size + 2:
                if not self.more():
                    return body + self.received, False
            body, self.received = body + self.received[:size], self.received[size + 2:]

    def ask(self, target="/", method="GET", headers=(), body=b"", host="app.localhost"):
        self.send(request(target, method, headers, body, host))
        return self.answer(method)


def request(target="/", method="GET", headers=(), body=b"", host="app.localhost"):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def path_answer(seen):
    """The default script: answers each complete request with its own path."""
    path = seen.split(b"\r\n", 1)[0].split(b" ")[1]
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path)


class Upstream:
    """Accepts on 127.0.0.1, records each connection's bytes in `connections`, and answers by script.

    `script(seen, sock)` runs on the connection's thread for every complete request, whose bytes are `seen`; the bytes
    that it returns are sent, anything else closes the connection. `on_connect(sock)` replaces all of that."""

    def __init__(self, t, script=None, on_connect=None):
        self.script = script or (lambda seen, sock: path_answer(seen))
        self.on_connect = on_connect
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.connections = []
        self.requests = []
        self.sockets = []
        self.lock = threading.Lock()
        t.stack.callback(self.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            record = bytearray()
            with self.lock:
                self.connections.append(record)
                self.sockets.append(sock)
            threading.Thread(target=self.serve, args=(sock, record), daemon=True).start()

    def serve(self, sock, record):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.on_connect:
                self.on_connect(sock)
                return
            pending = b""
            while True:
                piece = sock.recv(65536)
                if not piece:
                    return
                record += piece
                pending += piece
                while (size := request_size(pending)) is not None:
                    seen, pending = pending[:size], pending[size:]
                    with self.lock:
                        self.requests.append(seen)
                    answer = self.script(seen, sock)
                    if not isinstance(answer, bytes):
                        return
                    sock.sendall(answer)
        except OSError:
            pass
        finally:
            sock.close()

    def everything(self):
        with self.lock:
            return b"".join(bytes(c) for c in self.connections)

    def close(self):
        # shutdown() wakes the accepting thread, close() alone does not.
        for sock in [self.listener, *self.sockets]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()


def request_size(pending):
    """Length of the first complete request in `pending`; None when it is not complete."""
    end = pending.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = pending[:end].lower()
    if b"\r\ntransfer-encoding: chunked" in head:
        last = re.compile(rb"(?:^|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n").search(pending, end + 4)
        return last.end() if last else None
    length = re.search(rb"\r\ncontent-length: *(\d+)", head)
    size = end + 4 + (int(length[1]) if length else 0)
    return size if len(pending) >= size else None


def fields_of(seen):
    """The header lines of a recorded request as (lower-case name, value)."""
    lines = seen.split(b"\r\n\r\n", 1)[0].decode("latin-1").split("\r\n")[1:]
    return [(n.lower(), v.strip()) for n, v in (line.split(":", 1) for line in lines)]
