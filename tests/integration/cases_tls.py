"""Downstream TLS: versions, suites, certificates by name, ALPN, resumption, deadlines."""
import os
import re
import socket
import ssl
import time

from harness import case, check, equal, open_route, run


def served(t, certificates=("app",), **keys):
    keys.setdefault("certificates", [t.certs.pair(name) for name in certificates])
    return t.proxy(t.config([open_route(t.service().url)], **keys))


def s_client(t, proxy, *arguments, stdin=b"", expect=None):
    out = run(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}", "-CAfile", t.certs.ca, *arguments], 20,
              stdin=stdin, expect=expect)
    return out + out.err


def subject(text):
    found = re.search(r"subject=.*CN = ([\w-]+)", text)
    return found[1] if found else None


@case("openssl")
def old_versions_are_refused(t):
    """A client that is willing (security level 0) still gets the protocol_version alert."""
    proxy = served(t)
    for version in ("-tls1", "-tls1_1"):
        out = s_client(t, proxy, version, "-cipher", "ALL:@SECLEVEL=0")
        check("alert protocol version" in out or "alert number 70" in out, f"{version}: {out[-600:]}")
        check("New, TLS" not in out, f"{version} was accepted")


@case("openssl")
def new_versions_are_served(t):
    proxy = served(t)
    for version, name in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
        out = s_client(t, proxy, version, "-verify_return_error", "-servername", "app.localhost")
        check(f"New, {name}" in out and "Verify return code: 0" in out, f"{version}: {out[-600:]}")


@case("openssl")
def only_aead_suites(t):
    proxy = served(t, ("app", "app-rsa"))
    for suite, served_ in (("ECDHE-ECDSA-AES128-GCM-SHA256", True), ("ECDHE-ECDSA-AES256-GCM-SHA384", True),
                           ("ECDHE-ECDSA-CHACHA20-POLY1305", True), ("ECDHE-RSA-AES128-GCM-SHA256", True),
                           ("ECDHE-ECDSA-AES128-SHA", False), ("ECDHE-ECDSA-AES256-SHA384", False),
                           ("ECDHE-RSA-AES256-SHA", False), ("AES128-GCM-SHA256", False), ("AES256-SHA", False),
                           ("NULL", False), ("aNULL", False)):
        out = s_client(t, proxy, "-tls1_2", "-cipher", suite + ":@SECLEVEL=0", "-servername", "app.localhost")
        check((f"Cipher is {suite}" in out) == served_, f"{suite}: {'not ' * served_}accepted: {out[-300:]}")


@case("openssl")
def certificate_by_name(t):
    """Exact beats wildcard beats the default one, which is the first."""
    proxy = served(t, ("app", "wild", "exact"))
    for name, wanted in (("exact.wild.localhost", "exact"), ("EXACT.wild.localhost", "exact"),
                         ("other.wild.localhost", "wild"), ("app.localhost", "app"), ("unknown.example", "app"),
                         (None, "app")):
        out = s_client(t, proxy, *(["-servername", name] if name else ["-noservername"]))
        equal(subject(out), wanted, f"certificate for {name}")


@case("openssl")
def rsa_and_ecdsa_side_by_side(t):
    proxy = served(t, ("app", "app-rsa"))
    for arguments, wanted in ((("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"), "app"),
                              (("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"), "app-rsa"),
                              (("-tls1_3", "-sigalgs", "ECDSA+SHA256"), "app"),
                              (("-tls1_3", "-sigalgs", "RSA-PSS+SHA256"), "app-rsa"),
                              (("-tls1_3",), "app")):
        out = s_client(t, proxy, "-servername", "app.localhost", *arguments)
        equal(subject(out), wanted, f"certificate with {' '.join(arguments)}")


@case("openssl")
def alpn(t):
    proxy = served(t)
    for offer, wanted in (("h2", "ALPN protocol: h2"), ("http/1.1", "ALPN protocol: http/1.1"),
                          ("http/1.1,h2", "ALPN protocol: h2"), ("foo,http/1.1", "ALPN protocol: http/1.1"),
                          ("foo", "alert no application protocol"), (None, "No ALPN negotiated")):
        out = s_client(t, proxy, "-servername", "app.localhost", *(["-alpn", offer] if offer else []))
        check(wanted in out or wanted.startswith("alert") and "alert number 120" in out, f"{offer}: {out[-500:]}")


@case("openssl", "curl")
def codec_type(t):
    url = t.service().url
    one = t.proxy(t.config([open_route(url)], codec_type="http1"))
    check("ALPN protocol: http/1.1" in s_client(t, one, "-alpn", "h2,http/1.1"), "http1 offers h2")
    equal(t.curl("--http2", "-w", "%{http_version}", "-o", "/dev/null", proxy=one), "1.1", "version under http1")
    two = t.proxy(t.config([open_route(url)], codec_type="http2"))
    check("ALPN protocol: h2" in s_client(t, two, "-alpn", "h2,http/1.1"), "http2 does not offer h2")
    out = s_client(t, two, "-alpn", "http/1.1")
    check("alert no application protocol" in out or "alert number 120" in out, f"http2 takes http/1.1: {out[-300:]}")


@case("openssl")
def sessions_are_resumed(t):
    proxy, session = served(t), t.path("session")
    for version in ("-tls1_2", "-tls1_3"):
        request = b"GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n"
        first = s_client(t, proxy, version, "-servername", "app.localhost", "-sess_out", session, "-ign_eof", stdin=request)
        check("New, TLS" in first and "200 OK" in first, f"{version} first: {first[-500:]}")
        check(os.path.exists(session), f"{version}: no session was offered")
        again = s_client(t, proxy, version, "-servername", "app.localhost", "-sess_in", session, "-ign_eof", stdin=request)
        check("Reused, TLS" in again and "200 OK" in again, f"{version} again: {again[-500:]}")
        os.unlink(session)


@case("openssl")
def early_tls_data_is_not_offered(t):
    proxy, session = served(t), t.path("session")
    request = b"GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n"
    s_client(t, proxy, "-tls1_3", "-sess_out", session, "-ign_eof", stdin=request)
    out = run(["openssl", "sess_id", "-in", session, "-noout", "-text"])
    check(re.search(r"Max Early Data: 0", out), out)


@case("openssl")
def renegotiation_is_refused(t):
    out = s_client(t, served(t), "-tls1_2", "-servername", "app.localhost", stdin=b"R\n")
    check("no renegotiation" in out or "handshake failure" in out or "unexpected" in out.lower(), out[-600:])


def closed_within(sock, seconds):
    """Seconds until the peer closed; None when it did not."""
    started = time.monotonic()
    sock.settimeout(seconds)
    try:
        while sock.recv(65536):
            pass
    except socket.timeout:
        return None
    except OSError:
        pass
    return time.monotonic() - started


@case()
def handshake_deadline(t):
    """The deadline is one total: a client that sends a byte now and then does not extend it."""
    proxy = served(t, tls_handshake_timeout="500ms")
    with socket.create_connection(("127.0.0.1", proxy.port())) as silent:
        took = closed_within(silent, 5)
        check(took is not None and 0.2 < took < 3, f"silent client: closed after {took}")
    with socket.create_connection(("127.0.0.1", proxy.port())) as trickling:
        started = time.monotonic()
        trickling.settimeout(0.1)
        for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100):
            try:
                trickling.send(bytes([byte]))
                if not trickling.recv(100):
                    break
            except socket.timeout:
                pass
            except OSError:
                break
        took = time.monotonic() - started
        check(took < 3, f"trickling client: open for {took:.1f} s")


@case()
def what_is_not_tls(t):
    proxy = served(t)
    for sent in (b"GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n", os.urandom(300), b"\x16\x03\x01\xff\xff" + bytes(70000),
                 b"\x80\x2e\x01\x00\x02" + bytes(64), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", proxy.port())) as sock:
            try:
                sock.sendall(sent)
            except OSError:
                pass
            check(closed_within(sock, 3) is not None or sent[:1] != b"G", f"{sent[:20]!r}: not closed")
    equal(t.status(proxy=proxy), 200, "status afterwards")


@case()
def h2_agreed_then_something_else(t):
    proxy = served(t)
    context = ssl.create_default_context(cafile=t.certs.ca)
    context.set_alpn_protocols(["h2"])
    with context.wrap_socket(socket.create_connection(("127.0.0.1", proxy.port())), server_hostname="app.localhost") as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n")
        check(closed_within(sock, 3) is not None, "not closed")
