"""HTTP/2 by hand: frames, and header blocks of HPACK literals, so that anything can be said. And the rows for it."""
import socket
import struct

from harness import Failure, check

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
NO_TABLE = struct.pack("!HI", 1, 0)  # SETTINGS_HEADER_TABLE_SIZE: an answer's head can be read without those before it


def integer(value, bits, first=0):
    """RFC 7541 5.1."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([first | value])
    out, value = [first | limit], value - limit
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes(out + [value])


def block(fields):
    """Every field as a literal without indexing, nothing Huffman coded."""
    out = b""
    for name, value in fields:
        name, value = (x.encode("latin-1") if isinstance(x, str) else x for x in (name, value))
        out += b"\0" + integer(len(name), 7) + name + integer(len(value), 7) + value
    return out


def frame(kind, flags, stream, payload=b""):
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def standard(path="/", method="GET", authority="app.localhost", scheme="https"):
    return [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]


def status_of(header_block):
    """The :status of an answer's header block: as an index, as digits, or as Huffman coded digits."""
    indexed = {0x88: "200", 0x89: "204", 0x8a: "206", 0x8b: "304", 0x8c: "400", 0x8d: "404", 0x8e: "500"}
    at = 0
    while at < len(header_block) and header_block[at] & 0xe0 == 0x20:  # table size updates
        at += 1
    first = header_block[at]
    if first in indexed:
        return indexed[first]
    if first & 0xc0 == 0x40 or first & 0xf0 in (0x00, 0x10):  # a literal whose name is an indexed :status
        length = header_block[at + 1]
        text = header_block[at + 2:at + 2 + (length & 0x7f)]
        return huffman_digits(text) if length & 0x80 else text.decode()
    raise Failure(f"cannot read the status in {header_block[:20]!r}")


def huffman_digits(coded):
    """Digits only, as a status is: 0, 1, 2 have 5 bits, the others 6 (RFC 7541 Appendix B)."""
    bits, out = "".join(f"{b:08b}" for b in coded), ""
    while len(bits) >= 5 and len(out) < 3:
        if int(bits[:5], 2) <= 2:
            out, bits = out + str(int(bits[:5], 2)), bits[5:]
        else:
            out, bits = out + str(int(bits[:6], 2) - 0x19 + 3), bits[6:]
    return out


class Client:
    """One connection; collects what happens to each stream."""

    def __init__(self, port, tls):
        raw = socket.create_connection(("127.0.0.1", port), 10)
        self.sock = tls.wrap_socket(raw, server_hostname="app.localhost")
        check(self.sock.selected_alpn_protocol() == "h2", "h2 was not negotiated")
        self.sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, NO_TABLE))
        self.received = b""
        self.status, self.ended, self.reset_code, self.goaway, self.closed = {}, set(), {}, None, False
        self.last_stream = 2**31 - 1  # that the last GOAWAY promises to serve

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, *frames):
        try:
            self.sock.sendall(b"".join(frames))
        except OSError:
            self.closed = True

    def headers(self, stream, fields, end=True):
        coded = block(fields)
        first, rest = coded[:16000], coded[16000:]
        frames = [frame(HEADERS, (END_STREAM if end else 0) | (0 if rest else END_HEADERS), stream, first)]
        while rest:
            piece, rest = rest[:16000], rest[16000:]
            frames.append(frame(CONTINUATION, 0 if rest else END_HEADERS, stream, piece))
        self.send(*frames)

    def data(self, stream, body, end=True):
        self.send(frame(DATA, END_STREAM if end else 0, stream, body))

    def reset(self, stream, code=8):
        self.send(frame(RST_STREAM, 0, stream, struct.pack("!I", code)))

    def over(self, stream):
        return stream in self.ended or stream in self.reset_code or self.goaway is not None or self.closed

    def settled(self, stream):
        """Whatever GOAWAY says, streams up to its last one go on."""
        return stream in self.ended or stream in self.reset_code or stream > self.last_stream

    def until_over(self, stream):
        while not self.over(stream):
            self.read_frame()

    def read_frame(self):
        while len(self.received) < 9 or len(self.received) < 9 + int.from_bytes(self.received[:3], "big"):
            try:
                more = self.sock.recv(65536)
            except socket.timeout:
                raise Failure("no further frame")
            except OSError:
                more = b""
            if not more:
                self.closed = True
                return
            self.received += more
        size, kind, flags = int.from_bytes(self.received[:3], "big"), self.received[3], self.received[4]
        stream = int.from_bytes(self.received[5:9], "big")
        payload, self.received = self.received[9:9 + size], self.received[9 + size:]
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == HEADERS and stream not in self.status:
            status = status_of(payload)
            if status != "100":
                self.status[stream] = status
        elif kind == RST_STREAM:
            self.reset_code[stream] = int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
            self.last_stream = int.from_bytes(payload[:4], "big")
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.ended.add(stream)

    def ask(self, stream, fields, body=None):
        """(status or None, reset code or None)."""
        self.headers(stream, fields, end=body is None)
        if body is not None:
            self.data(stream, body)
        self.until_over(stream)
        return self.status.get(stream), self.reset_code.get(stream)


class Row:
    """`refused`: reset, answered with 4xx, or the connection ended; otherwise the service must see and not see."""

    def __init__(self, name, fields, refused=True, body=None, trailers=None, seen=(), unseen=(), siblings=True):
        self.name, self.fields, self.refused, self.body, self.trailers = name, fields, refused, body, trailers
        self.seen, self.unseen, self.siblings = seen, unseen, siblings

    def fault_of(self, seen):
        for wanted in self.seen:
            if wanted not in seen.lower():
                return f"the service did not see {wanted!r}: {seen[:300]!r}"
        for unwanted in self.unseen:
            if unwanted in seen.lower():
                return f"the service saw {unwanted!r}: {seen[:300]!r}"
        return None


def play(client, row, tag):
    fields = [(n, v.replace("TAG", tag) if isinstance(v, str) else v) for n, v in row.fields]
    client.headers(1, fields, end=row.body is None and row.trailers is None)
    if row.body is not None:
        client.data(1, row.body, end=row.trailers is None)
    if row.trailers is not None:
        client.headers(1, row.trailers)
    client.until_over(1)
    status, reset = client.status.get(1), client.reset_code.get(1)
    served = status == "200" and reset is None
    if row.refused == served:
        return f"status {status}, reset {reset}, goaway {client.goaway}"
    if row.siblings and not client.closed and client.goaway is None:
        after = client.ask(3, standard("/sibling"))
        if after != ("200", None):
            return f"a sibling got {after}"
    return None


def get(*fields, **changes):
    return standard("/TAG", **changes) + list(fields)


def replaced(name, value):
    return [(n, value if n == name else v) for n, v in standard("/TAG")] + [("x-tag", "TAG")]


ROWS = [
    *[Row(f"71 value with {v!r}", get(("x-a", f"a{v}b"))) for v in ("\r", "\n", "\0", "\r\nX-B: 1", "\x01", "\x7f")],
    *[Row(f"72 name {n!r}", get((n, "1")))
      for n in ("transfer-encoding: chunked\r\nx", "foo:bar", "X-Upper", "x a", "", "x\xe9")],
    *[Row(f"73 value {v!r}", get(("x-a", v))) for v in (" a", "a ", "\ta", "a\t")],
    *[Row(f"74 {n}", get((n, v))) for n, v in (("connection", "close"), ("keep-alive", "1"), ("proxy-connection", "close"),
                                               ("transfer-encoding", "chunked"), ("upgrade", "h2c"))],
    Row("75 http2-settings", get(("http2-settings", "AAMAAABk")), refused=False, unseen=(b"http2-settings",)),
    Row("75 te: gzip", get(("te", "gzip"))),
    *[Row(f"76 path {v!r}", replaced(":path", v))
      for v in ("/a b", "/a\r\nX: 1", "/a\tb", "/a\0", "", "foo", "http://x/", "*")],
    *[Row(f"77 path {v!r}", replaced(":path", v)) for v in ("/a#b", "/a\\b", "/a\xe9", '/a"b', "/a<b>")],
    *[Row(f"78 method {v!r}", replaced(":method", v)) for v in ("GET /x HTTP/1.1\r\nA: b", "")],
    *[Row(f"79 scheme {v!r}", replaced(":scheme", v)) for v in ("http://x/?", "", "ftp")],
    *[Row(f"80 authority {v!r}", replaced(":authority", v)) for v in ("a/b", "a b", "a\r\nX: 1", "")],
    Row("81 userinfo", replaced(":authority", "u@app.localhost")),
    Row("82 another host", get(("host", "evil")), refused=True),
    Row("83 no authority", [f for f in get() if f[0] != ":authority"]),
    Row("83 doubled pseudo", [(":method", "GET")] + get()),
    Row("83 pseudo after regular", [("x-a", "1")] + get()),
    Row("83 unknown pseudo", [(":evil", "1")] + get()),
    Row("83 status", [(":status", "200")] + get()),
    *[Row(f"84 length 5 with {size}", get(("content-length", "5"), method="POST"), body=b"x" * size) for size in (0, 3, 6)],
    Row("85 two lengths", get(("content-length", "5"), ("content-length", "5"), method="POST"), body=b"hello"),
    *[Row(f"85 length {v!r}", get(("content-length", v), method="POST"), body=b"hello") for v in ("5, 5", "+5")],
    Row("86 trailers with a pseudo field", get(method="POST"), body=b"hello", trailers=[(":path", "/evil")]),
    Row("86 trailers with a connection field", get(method="POST"), body=b"hello", trailers=[("connection", "close")]),
    Row("87 trailers with an identity", get(method="POST"), refused=False, body=b"hello",
        trailers=[("authorization", "evil"), ("x-pomerium-claim-email", "evil"), ("x-forwarded-for", "evil")],
        unseen=(b"evil",)),
    Row("88 no body, no length", get(method="POST"), refused=False, unseen=(b"chunked",)),
    Row("88 open body", get(method="POST"), refused=False, body=b"hello", seen=(b"transfer-encoding: chunked",),
        unseen=(b"content-length",)),
    Row("90 CONNECT with a path", get(method="CONNECT")),
    Row("90 extended CONNECT", get((":protocol", "websocket"), method="CONNECT")),
    Row("91 cookie crumbs", get(*[("cookie", f"c{i}=1") for i in range(3)]), refused=False,
        seen=(b"cookie: c0=1; c1=1; c2=1\r\n",)),
    Row("91 two hundred crumbs", get(*[("cookie", f"c{i}=1") for i in range(200)])),
    Row("92 a large header list", get(*[("x-a", "a" * 1000)] * 70), siblings=False),
    Row("92 one large field", get(("x-a", "a" * 70_000)), siblings=False),
    Row("141 underscore", get(("x_a", "1"))),
    Row("140 identity", get(("x-pomerium-claim-email", "root")), refused=False, unseen=(b"pomerium", b"root")),
    Row("an ordinary one", get(("x-a", "1")), refused=False, seen=(b"x-a: 1",)),
]
