"""Requests that must not get through, and what must become of those that may: one row each.

Every row is sent whole and one byte at a time. TAG is replaced by a word of the row's own, which must not turn up at
the service when the row is refused."""
from collections import namedtuple

Row = namedtuple("Row", "name wire outcome")


class Refused:
    """Answered with one of `statuses` (or just closed, where `silent`), then closed; nothing goes upstream.

    `in_body`: the fault lies behind a head that may have gone upstream already: the service must never see the end of
    the message, nor anything behind it."""

    def __init__(self, *statuses, silent=False, stays_open=False, in_body=False):
        self.statuses, self.silent, self.stays_open, self.in_body = statuses or (400,), silent, stays_open, in_body


class Served:
    """Answered by the service, which must have seen `seen` and must not have seen `unseen`."""

    def __init__(self, *seen, unseen=()):
        self.seen, self.unseen = seen, unseen


BAD = Refused()
BAD_BODY = Refused(in_body=True)
LARGE_BODY = Refused(400, 431, in_body=True)
HOST = "Host: app.localhost"
CHUNKED = "Transfer-Encoding: chunked"


def message(start, *lines, body=b""):
    head = "\r\n".join([start, *lines]) + "\r\n\r\n"
    return head.encode("latin-1") + body


def get(*lines, target="/TAG", version="HTTP/1.1"):
    return message(f"GET {target} {version}", HOST, *lines)


def post(*lines, body=b"", version="HTTP/1.1"):
    return message(f"POST /TAG {version}", HOST, *lines, body=body)


def chunks(body):
    return post(CHUNKED, body=body)


def each(name, values, build, outcome=BAD):
    return [Row(f"{name} {value!r:.40}", build(value), outcome) for value in values]


INNER = b"GET /evil-TAG HTTP/1.1\r\nHost: app.localhost\r\n\r\n"
HELLO = b"\r\nhello\r\n0\r\n\r\n"

LENGTH_AND_ENCODING = [
    Row("1 CL then TE", post("Content-Length: 6", CHUNKED, body=b"0\r\n\r\nG"), BAD),
    Row("2 TE then CL", post(CHUNKED, "Content-Length: 4", body=b"5c\r\nGPOST /evil-TAG HTTP/1.1\r\n\r\n0\r\n\r\n"), BAD),
    Row("3 two lengths that differ", post("Content-Length: 5", "Content-Length: 6", body=b"hello!"), BAD),
    Row("4 two lengths that agree", post("Content-Length: 5", "Content-Length: 5", body=b"hello"), BAD),
    Row("4 a list of lengths", post("Content-Length: 5, 5", body=b"hello"), BAD),
    *each("5 length", ["+5", "-5", "-0", "0x5", "1_0", "1 0", "5;", "5\x0b"],
          lambda v: post(f"Content-Length: {v}", body=b"hello")),
    Row("6 empty length", post("Content-Length:", body=b"hello"), BAD),
    Row("6 empty length, then one", post("Content-Length:", "Content-Length: 5", body=b"hello"), BAD),
    *each("7 length", [str(2**64), str(2**64 - 1), "9" * 40], lambda v: post(f"Content-Length: {v}"), Refused(400, 413)),
    Row("8 length with zeros", post("Content-Length: 005", body=b"hello"), Served(b"\r\nContent-Length: 5\r\n")),
    Row("8 length with blanks", post("Content-Length:   5  ", body=b"hello"), Served(b"\r\nContent-Length: 5\r\n")),
    Row("8 length with tabs", post("Content-Length: \t 5 \t", body=b"hello"), Refused(400)),  # stricter than the RFC
    *each("9 encoding", ["xchunked", "gzip", "chunked;q=1", '"chunked"', "identity"],
          lambda v: post(f"Transfer-Encoding: {v}", body=b"0\r\n\r\n"), Refused(400, 501)),
    Row("10 gzip, chunked", post("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), Refused(400, 501)),
    *each("11 encoding", ["chunked, gzip", "chunked, chunked", "chunked,"],
          lambda v: post(f"Transfer-Encoding: {v}", body=b"0\r\n\r\n"), Refused(400, 501)),
    Row("12 ,chunked", post("Transfer-Encoding: ,chunked", body=b"0\r\n\r\n"), Refused(400, 501)),
    Row("13 identity, then chunked", post("Transfer-Encoding: identity", CHUNKED, body=b"0\r\n\r\n"), Refused(400, 501)),
    Row("14 empty encoding and a length", post("Transfer-Encoding:", "Content-Length: 5", body=b"hello"), Refused(400, 501)),
    *each("15 encoding after", ["\x0b", "\x0c", "\xa0", "\x85"],
          lambda v: post(f"Transfer-Encoding:{v}chunked", body=b"0\r\n\r\n"), Refused(400, 501)),
    *each("16 space before the colon", ["Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked", "Content-Length : 5"],
          lambda v: post(v, body=b"0\r\n\r\n")),
    Row("17 Transfer_Encoding", post("Transfer_Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"), BAD),
    Row("17 any underscore", get("X_A: 1"), BAD),
    Row("18 encoding in HTTP/1.0", post(CHUNKED, body=b"0\r\n\r\n", version="HTTP/1.0"), BAD),
    Row("19 encoding on a folded line", post("Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"), BAD),
    Row("20 fold", get("X-A: 1\r\n 2"), BAD),
    Row("20 fold with a tab", get("X-A: 1\r\n\t2"), BAD),
    Row("20 fold after the request line", b"GET /TAG HTTP/1.1\r\n Host: app.localhost\r\n\r\n", BAD),
    Row("21 a request as the body of a refused one",
        message("POST /admin/TAG HTTP/1.1", HOST, "Content-Length: 47", body=INNER), Refused(403, stays_open=True)),
]

CHUNKS = [
    *each("22 chunk size", ["0x5", "+5", "-1", " 5", "5 ", "1_0", "5 x", ""],
          lambda v: chunks(v.encode() + HELLO), BAD_BODY),
    *each("23 chunk size", ["FFFFFFFFFFFFFFFF0", "10000000000000005"], lambda v: chunks(v.encode() + HELLO), BAD_BODY),
    Row("24 forty zeros", chunks(b"0" * 40 + b"5\r\nhello\r\n0\r\n\r\n"), BAD_BODY),
    Row("25 extension", chunks(b"5;a=b\r\nhello\r\n0\r\n\r\n"), Served(b"hello", unseen=(b"a=b",))),
    Row("25 quoted extension", chunks(b'5;a="q;\\""\r\nhello\r\n0\r\n\r\n'), Served(b"hello", unseen=(b'a="q',))),
    Row("27 extension ended by LF", chunks(b"5;a\nhello\r\n0\r\n\r\n"), BAD_BODY),
    Row("27 size ended by ;LF", chunks(b"5;\nhello\r\n0\r\n\r\n"), BAD_BODY),
    Row("27 CR in an extension", chunks(b"5;a\rX\r\nhello\r\n0\r\n\r\n"), BAD_BODY),
    Row("27 two CRs", chunks(b"5\r\r;\nhello\r\n0\r\n\r\n"), BAD_BODY),
    Row("27 NUL in an extension", chunks(b"5;a\0b\r\nhello\r\n0\r\n\r\n"), BAD_BODY),
    Row("28 data ended by LF", chunks(b"5\r\nhello\n0\r\n\r\n"), BAD_BODY),
    Row("28 data ended by nothing", chunks(b"5\r\nhello0\r\n\r\n"), BAD_BODY),
    Row("28 data ended by XX", chunks(b"5\r\nhelloXX0\r\n\r\n"), BAD_BODY),
    Row("29 size line ended by CR and X", chunks(b"5\rXhello\r\n0\r\n\r\n"), BAD_BODY),
    Row("30 last chunk with a bare LF", chunks(b"0\r\n\n"), BAD_BODY),
    *each("31 trailer", ["Content-Length: 5", "Transfer-Encoding: chunked", "Host: evil", "Authorization: x",
                         "Cookie: evil=1", "X-Forwarded-For: 6.6.6.6", "X-Pomerium-Claim-Email: evil"],
          lambda v: chunks(b"5\r\nhello\r\n0\r\n" + v.encode() + b"\r\n\r\n"),
          Served(b"hello", unseen=(b"evil\r\n", b"\r\nAuthorization", b"Cookie", b"6.6.6.6", b"Claim"))),
    Row("32 forty trailers", chunks(b"5\r\nhello\r\n0\r\n" + b"X-T: 1\r\n" * 40 + b"\r\n"), LARGE_BODY),
    Row("32 long trailers", chunks(b"5\r\nhello\r\n0\r\nX-T: " + b"a" * 9000 + b"\r\n\r\n"), LARGE_BODY),
]

LINES = [
    Row("33 LF after the request line", b"GET /TAG HTTP/1.1\nHost: app.localhost\r\n\r\n", BAD),
    Row("34 LF after a field", b"GET /TAG HTTP/1.1\r\nHost: app.localhost\nX-A: 1\r\n\r\n", BAD),
    Row("34 only LF", b"GET /TAG HTTP/1.1\nHost: app.localhost\n\n", BAD),
    Row("35 head ended by CRLF LF", b"GET /TAG HTTP/1.1\r\nHost: app.localhost\r\n\n", BAD),
    Row("36 CR in a value", get("X-A: 1\r2"), BAD),
    Row("36 request line ended by CR", b"GET /TAG HTTP/1.1\rHost: app.localhost\r\n\r\n", BAD),
    Row("37 CR and a byte after the head",
        b"GET /TAG HTTP/1.1\r\nHost: app.localhost\r\n\rZ" + INNER, BAD),
    Row("38 CR before a hidden field", post("X-A:\rTransfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"),
        BAD),
    *each("39 in a value", ["\0", "\x01", "\x08", "\x1b", "\x7f"], lambda v: get(f"X-A: a{v}b")),
    *each("40 field", ["X A: 1", "X[]: 1", "X\xe9: 1", "no-colon", ": empty", "X-A : 1", "\x00: 1"], get),
    *each("41 request line", ["GET  /TAG HTTP/1.1", "GET /TAG  HTTP/1.1", "GET\t/TAG HTTP/1.1", "GET /TAG\tHTTP/1.1",
                              "GET /TAG HTTP/1.1 ", " GET /TAG HTTP/1.1", "GET /TAG"], lambda v: message(v, HOST)),
    *each("42 in the target", ["\0", "\x01", "\x7f", "\x80", "\xe9", " x"], lambda v: get(target=f"/TAG{v}")),
    *each("43 in the target", list('"<>{}^`\\'), lambda v: get(target=f"/TAG{v}x"), Refused(400)),
    *each("44 fragment", ["/TAG#b", "/TAG#/../admin", "/TAG?q#b"], lambda v: get(target=v)),
]

TARGETS = [
    Row("45 absolute target, another Host", message("GET http://app.localhost/TAG HTTP/1.1", "Host: other.localhost"),
        Served(b"/TAG", unseen=(b"other.localhost",))),
    Row("45 absolute target of a closed host", message("GET http://closed.localhost/TAG HTTP/1.1", HOST),
        Refused(400, 403, stays_open=True)),
    Row("46 userinfo", message("GET http://u@app.localhost/TAG HTTP/1.1", HOST), BAD),
    Row("46 another scheme", message("GET foo://app.localhost/TAG HTTP/1.1", HOST), BAD),
    Row("46 no path", message("GET http://app.localhost HTTP/1.1", HOST, "X-Tag: TAG"), Served(b"GET / HTTP/1.1")),
    Row("47 no Host", b"GET /TAG HTTP/1.1\r\n\r\n", BAD),
    Row("47 empty Host", b"GET /TAG HTTP/1.1\r\nHost:\r\n\r\n", BAD),
    Row("47 two Hosts", get("Host: evil"), BAD),
    Row("47 the same Host twice", get(HOST), BAD),
    *each("48 Host", ["a, b", "u@app.localhost", "app.localhost/x", "app localhost", "app.localhost%00", "[::1",
                      "app.localhost:99999", "app.localhost:x", "app.localhost:-1"],
          lambda v: message("GET /TAG HTTP/1.1", f"Host: {v}")),
    *each("49 method", ["get", "GETX", "FOO", "M" * 200], lambda v: message(f"{v} /TAG HTTP/1.1", HOST),
          Refused(400, 405, 501, stays_open=True)),
    *each("49 not a method", ["G(T", "G\x00T", "", "G:T"], lambda v: message(f"{v} /TAG HTTP/1.1", HOST)),
    Row("50 ICE", message("SOURCE /TAG ICE/1.0", HOST), Refused(400, 501, 505)),
    Row("50 RTSP", message("DESCRIBE rtsp://a/TAG RTSP/1.0", HOST), Refused(400, 501, 505)),
    *each("51 version", ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/11.1", "http/1.1", "HTTP/ 1.1", "HTTP/1.1x", "HTTP/1.",
                         "HTTP/3.7"], lambda v: get(version=v), Refused(400, 505)),
    Row("52 HTTP/0.9", b"GET /TAG\r\n", Refused(400, 505, silent=True)),
    Row("54 long request line", get(target="/TAG" + "a" * 8200), Refused(414)),
    Row("54 long field", get("X-A: " + "a" * 66_000), Refused(431)),
    Row("54 101 fields", get(*[f"X-{i}: 1" for i in range(101)]), Refused(431)),
    *each("55 asterisk", ["GET * HTTP/1.1", "OPTIONS */TAG HTTP/1.1"], lambda v: message(v, HOST, "X-Tag: TAG")),
    Row("56 one CRLF before", b"\r\n" + get(), Served(b"GET /TAG HTTP/1.1")),
    Row("56 ten thousand CRLFs before", b"\r\n" * 10_000 + get(), Refused(400, silent=True)),
    Row("56 CR before", b"\r" + get(), Refused(400, silent=True)),
    Row("56 space before", b" " + get(), Refused(400, silent=True)),
]

SEMANTICS = [
    *each("59 Expect", ["200-ok", "100-continue, x"], lambda v: post("Content-Length: 5", f"Expect: {v}", body=b"hello"),
          Refused(417, stays_open=True)),
    Row("59 two Expects", post("Content-Length: 5", "Expect: 100-continue", "Expect: x", body=b"hello"),
        Refused(400, 417, stays_open=True)),
    Row("59 Expect in another case", post("Content-Length: 5", "Expect:  100-Continue\t", body=b"hello"), Served(b"hello")),
    Row("63 500 connection options", get("Connection: " + ", ".join(f"x{i}" for i in range(500))), Refused(400, 431)),
    Row("63 close among others", get("Connection: keep-alive, close"), Served(b"/TAG", unseen=(b"keep-alive",))),
    Row("64 h2c upgrade", get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
        Served(b"/TAG", unseen=(b"h2c", b"HTTP2-Settings", b"pgrade"))),
    Row("67 upgrade with a body", post("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5", body=b"hello"),
        Refused(400, 403, stays_open=True)),
    Row("68 CONNECT elsewhere", message("CONNECT internal:22 HTTP/1.1", "Host: internal:22", "X-Tag: TAG"),
        Refused(400, 403, 404, 405, 501, stays_open=True)),
    Row("68 CONNECT to a path", message("CONNECT /TAG HTTP/1.1", HOST), Refused(400, 405)),
    Row("68 CONNECT with a length", message("CONNECT app.localhost:443 HTTP/1.1", "Host: app.localhost:443",
                                            "Content-Length: 5", "X-Tag: TAG", body=b"hello"), Refused(400, 405)),
    *each("70 method", ["TRACE", "TRACK"], lambda v: message(f"{v} /TAG HTTP/1.1", HOST), Refused(405, 501, stays_open=True)),
]

CLOSED = Refused(403, stays_open=True)
NOWHERE = Refused(404, stays_open=True)
TAGGED = "X-Tag: TAG"

# On public.localhost: /admin is closed, /public is open, nothing else exists.
PUBLIC = "Host: public.localhost"


def path(target):
    return message(f"GET {target} HTTP/1.1", PUBLIC, TAGGED)


PATHS = [
    *each("129 path", ["/public/../admin", "/./admin", "//admin", "/public/..//admin", "/admin/", "/admin/x",
                       "/public/../admin/../admin"], path, CLOSED),
    *each("130 path", ["/%61dmin", "/public/%2e%2e/admin", "/public/%2E./admin", "/public/.%2e/admin",
                       "/%61%64%6d%69%6e"], path, CLOSED),
    *each("131 path", ["/public/%2fx", "/public%5cx", "/public/%00", "/public/%0d%0aX", "/public/%zz", "/public/%",
                       "/public/%2"], path),
    Row("132 backslash", path("/public\\..\\admin"), BAD),
    Row("133 path parameter", path("/admin;x=1"), Refused(403, 404, stays_open=True)),
    Row("133 dot segment with a parameter", path("/public/..;/admin"), BAD),
    *each("134 path", ["/ADMIN", "/Admin"], path, NOWHERE),
    *each("135 path", ["/public/%c0%ae%c0%ae/admin", "/public/%e0%80%af", "/public/%ff"], path),
    *each("136 path", ["/public/%252e%252e/admin", "/public/%25%32%65"], path, Served(b"/public/%25")),
    *each("137 path", ["/administrator", "/publicx"], path, NOWHERE),
    Row("138 query", path("/public?next=/../admin"), Served(b"GET /public?next=/../admin HTTP/1.1")),
    Row("141 X_Pomerium_Claim_Email", message("GET /public HTTP/1.1", PUBLIC, TAGGED, "X_Pomerium_Claim_Email: root"), BAD),
    Row("141 x-pomerium_claim-email", message("GET /public HTTP/1.1", PUBLIC, TAGGED, "x-pomerium_claim-email: root"), BAD),
    Row("140 identity fields", message("GET /public HTTP/1.1", PUBLIC, TAGGED, "X-Pomerium-Claim-Email: root",
                                       "x-POMERIUM-jwt-assertion: a.b.c"),
        Served(b"TAG", unseen=(b"omerium", b"OMERIUM", b"root"))),
]

TABLES = {"length_and_encoding": LENGTH_AND_ENCODING, "chunks": CHUNKS, "lines": LINES, "targets": TARGETS,
          "semantics": SEMANTICS, "paths": PATHS}
