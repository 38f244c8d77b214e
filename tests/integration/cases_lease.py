"""Permission that lasts as long as its reasons: live WebSockets, streams, calls and tunnels of real clients end when the
policy, the token or somebody at the admin interface says so, and nobody else's do."""
import json
import re
import ssl
import time

from cases_grpc import PEERS, environment, service as grpc_service
from cases_mtls import LATEST, Stream
from harness import case, check, equal, free_port, run, wait_until, write_config
from raw import Upstream, Wire
from sockets import Sockets
from tokens import Key, bearer, guarded, local, users

TUNNEL = "tunnel.wild.localhost:22"


class Admin:
    """curl at the admin interface."""

    def __init__(self, t, address):
        self.address = address
        self.where = [f"http://{address}"]
        if address.startswith("unix:"):
            self.where = ["--unix-socket", address.removeprefix("unix:"), "http://localhost"]

    def ask(self, method, path, body=None):
        """(status, parsed answer)."""
        sent = ["--data-binary", body if isinstance(body, str) else json.dumps(body)] if body is not None else []
        out = run(["curl", "-sS", "--noproxy", "*", "-X", method, *sent, "-w", "\n%{http_code}", *self.where[:-1],
                   self.where[-1] + path], 30)
        text, _, status = out.rpartition("\n")
        return int(status), json.loads(text)

    def exchanges(self):
        status, answer = self.ask("GET", "/exchanges")
        equal(status, 200, "status of GET /exchanges")
        equal(answer["count"], len(answer["exchanges"]), "count")
        return answer["exchanges"]

    def by_user(self):
        return {x["user"]: x for x in self.exchanges() if "user" in x}


class Lease:
    """A proxy with tokens, an admin interface and WebSockets; `edit` changes the policy of its routes in the file."""

    def __init__(self, t, *names, routes=None, admin=None, **keys):
        self.t, self.key, self.sockets = t, Key("k"), Sockets(t)
        self.admin = Admin(t, admin or f"unix:{t.path('admin')}")
        self.to = self.sockets.serve()
        self.routes = routes or (lambda policy: [guarded(self.to, allow_websockets=True, policy=policy)])
        self.keys = {"jwt_providers": local(self.key), "admin_address": self.admin.address,
                     "certificates": [t.certs.pair("app"), t.certs.pair("wild")], **keys}
        self.proxy = t.proxy(self.config(*names))

    def config(self, *names, **more):
        return self.t.config(self.routes(users(*names)), **self.keys, **more)

    def edit(self, *names):
        """Writes the file; nobody tells the proxy. Gives the moment."""
        write_config(self.proxy.path, self.config(*names))
        return time.monotonic()

    def token(self, name, seconds=600):
        return self.key.token(name, seconds)

    def open(self, name, seconds=600, **keys):
        return self.sockets.open(self.proxy, name, self.token(name, seconds), **keys)

    def taken_over(self, times):
        wait_until(lambda: sum("taken over" in line for line in list(self.proxy.errors)) == times,
                   "the file to be taken over", 5)


def check_ended(socket, since, what, seconds=LATEST, words="denied"):
    """Closed with 1008 in time."""
    wait_until(socket.ended, f"{what} to end", seconds + 5)
    check(socket.ended_at - since < seconds, f"{what} ended {socket.ended_at - since:.1f} s later")
    equal(socket.closed(), (1008, words), f"{what}: close frame")


@case()
def policy_edit(t):
    """One of two users is taken out of the file: that WebSocket gets its close frame, the other goes on."""
    lease = Lease(t, "anna", "berta")
    anna, berta = lease.open("anna"), lease.open("berta")
    for one in (anna, berta):
        one.check_lives()
    equal(lease.sockets.refused(lease.proxy, "carl", lease.token("carl")), 403, "somebody else")
    equal(lease.sockets.refused(lease.proxy, "nobody"), 401, "nobody")
    edited = lease.edit("berta")
    check_ended(anna, edited, "the WebSocket of whom the policy does not allow any more")
    berta.check_lives()
    wait_until(lambda: lease.sockets.left.get("anna") == 1001, "the service to be told with 1001")
    equal(lease.sockets.refused(lease.proxy, "anna", lease.token("anna")), 403, "once more")
    lease.edit("anna", "berta")
    lease.taken_over(2)
    lease.open("anna").check_lives()
    berta.check_lives()
    starts = [line["user"] for line in t.access_log("start")]
    equal(starts[:2], ["anna", "berta"], "a record of each WebSocket when it opened")
    ends = [line for line in t.access_log() if line["path"] == "/anna" and line["status"] == 101]
    equal([(line["cause"], line["user"], line["decision"]) for line in ends],
          [("truncated:denied:by_default", "anna", "deny")], "its record")


@case()
def edits_that_change_nothing(t):
    """The same people in other words: ten edits, and nobody notices."""
    lease = Lease(t, "anna", "berta")
    live = [lease.open("anna"), lease.open("berta"), lease.open("anna", compression=None)]
    for n in range(10):
        lease.edit("anna", "berta", *(f"more{i}" for i in range(n + 1)))
        lease.proxy.signal(1)
        lease.taken_over(n + 1)
        for one in live:
            one.check_lives(f"{n}" * 1000)
    check(not any(one.ended() for one in live), "one of them ended")


@case()
def token_runs_out(t):
    """At the second that the token says, and for the one who has that token."""
    lease = Lease(t, "anna", "berta")
    berta = lease.open("berta")
    expires = int(time.time()) + 3
    anna = lease.sockets.open(lease.proxy, "anna", lease.key.token("anna", exp=expires))
    anna.check_lives()
    wait_until(anna.ended, "the WebSocket to end", 10)
    late = time.time() - expires
    check(-0.1 < late < 1.5, f"ended {late:.2f} s after its token")
    equal(anna.closed(), (1008, "unauthenticated"), "close frame")
    berta.check_lives()
    equal(lease.sockets.refused(lease.proxy, "anna", lease.key.token("anna", exp=expires)), 401, "the token, again")


@case()
def admin_interface(t):
    """Who is here, who would go, who goes: over a unix socket and over a port."""
    for address in (None, f"127.0.0.1:{free_port()}"):
        lease = Lease(t, "anna", "berta", "carl", "dora", admin=address)
        live = {name: lease.open(name) for name in ("anna", "berta", "carl", "dora")}
        admin = lease.admin
        # Young exchanges have no lease of their own yet.
        wait_until(lambda: all("lease_ms" in x for x in admin.exchanges()), "leases")
        listed = admin.by_user()
        equal(set(listed), set(live), "who is listed")
        for name, one in listed.items():
            equal((one["kind"], one["state"], one["path"], one["email"], one["identity_source"], one["protocol"]),
                  ("websocket", "streaming", f"/{name}", f"{name}@example.com", "token", "HTTP/1.1"), f"{name} is listed")
            check(0 < one["lease_ms"] <= 60_000, f"the lease of {name}: {one['lease_ms']} ms")
        status, answer = admin.ask("POST", "/policy/dry-run", lease.config("berta", "dora"))
        equal(status, 200, "status of the dry run")
        equal({x["user"]: x["id"] for x in answer["would_end"]}, {n: listed[n]["id"] for n in ("anna", "carl")},
              "would end")
        equal((answer["judged"], answer["would_ask_host"]), (4, []), "judged")
        equal(admin.ask("POST", "/policy/dry-run", lease.config("anna", "berta", "carl", "dora"))[1]["would_end"], [],
              "would end with the same policy")
        equal(admin.ask("POST", "/policy/dry-run", "routes: 1")[0], 422, "status with a bad configuration")
        for one in live.values():
            one.check_lives()

        now = time.monotonic()
        equal(admin.ask("POST", "/revoke", {"user": "anna"})[0], 202, "status of the revocation")
        check_ended(live.pop("anna"), now, "the revoked user's WebSocket", 2, "revoked")
        equal(lease.sockets.refused(lease.proxy, "anna", lease.token("anna")), 403, "the revoked user, again")
        now = time.monotonic()
        equal(admin.ask("DELETE", f"/exchanges/{listed['berta']['id']}"), (200, {"ended": 1}), "the end of one exchange")
        check_ended(live.pop("berta"), now, "the deleted WebSocket", 2, "revoked")
        equal(admin.ask("DELETE", f"/exchanges/{listed['berta']['id']}")[0], 404, "status for what is gone")
        lease.open("berta").check_lives()
        for body in ("", {"user": "carl"}, {"route": "none"}):
            equal(admin.ask("POST", "/reauthorize", body)[0], 202, f"status of {body!r}")
        for body in ({"usr": "carl"}, {"user": 1}, "[]", "{"):
            equal(admin.ask("POST", "/reauthorize", body)[0], 400, f"status of {body!r}")
            equal(admin.ask("POST", "/revoke", body)[0], 400, f"status of {body!r}")
        for one in live.values():
            one.check_lives()
        ended = {(line["path"], line["cause"], line.get("ended_by")) for line in t.access_log() if line["status"] == 101}
        for line in (("/anna", "truncated:revoked:user", "admin"), ("/berta", "truncated:revoked:ended", "admin")):
            check(line in ended, f"{line} is not in {ended}")
        lease.proxy.verdict()


@case()
def downloads(t):
    """What curl and nghttp say when they are cut off: none takes what it got for the whole."""
    url = t.service().url
    lease = Lease(t, "anna", "berta", routes=lambda policy: [guarded(url, policy=policy, timeout="0s")])
    anna, berta = bearer(lease.token("anna")), bearer(lease.token("berta"))
    length = "/bytes?size=100000000000"
    cut = [(what, code, Stream(t, lease.proxy, version, *anna, *more, path=path) if path else
            Stream(t, lease.proxy, version, *anna, *more)) for what, code, version, path, more in (
                ("chunked over HTTP/1.1", 18, "--http1.1", None, ()), ("over HTTP/2", 92, "--http2", None, ()),
                ("with a length over HTTP/1.1", 18, "--http1.1", length, ("--limit-rate", "20M")),
                ("with a length over HTTP/2", 92, "--http2", length, ("--limit-rate", "20M")))]
    others = [Stream(t, lease.proxy, version, *berta) for version in ("--http1.1", "--http2")]
    nghttp = t.child(["nghttp", "-v", "-H", f"authorization: Bearer {lease.token('anna')}", "-H",
                      ":authority: app.localhost",
                      f"https://127.0.0.1:{lease.proxy.port()}/stream?count=100000&every=0.05"])
    wait_until(lambda: any("line 3" in line for line in list(nghttp.lines)), "nghttp's stream to begin")
    lease.edit("berta")
    for what, code, stream in cut:
        wait_until(stream.ended, f"the download {what} to end", 2 * LATEST)
        equal(stream.child.exit_code(), code, f"curl's exit code for a download {what}: {stream.child.stderr()}")
    wait_until(lambda: any("recv RST_STREAM" in line for line in list(nghttp.lines)), "RST_STREAM at nghttp", LATEST)
    # 0x01 is END_STREAM.
    ends = [line for line in list(nghttp.lines) if re.search(r"recv (DATA|HEADERS) frame .*flags=0x0[15]", line)]
    equal(ends, [], "frames that say that all has come")
    for other in others:
        other.check_lives()


@case()
def upload(t):
    """An upload of whom is revoked ends; the service sees it cut: no last chunk, and the end of the connection."""
    saw = []  # of each connection: [bytes of it, how it ended]

    def take(sock):
        seen = [bytearray(), None]
        saw.append(seen)
        try:
            while piece := sock.recv(65536):
                seen[0] += piece
            seen[1] = "closed"
        except ConnectionResetError:
            seen[1] = "reset"
    upstream = Upstream(t, on_connect=take)
    lease = Lease(t, "anna", timeout_read="0s",
                  routes=lambda policy: [guarded(upstream.url, policy=policy, timeout="0s")])
    for version in ("--http1.1", "--http2"):
        sent = t.child(["curl", "-sS", "-T", "/dev/zero", "--limit-rate", "2M", version, "-H", "Expect:",
                        "--noproxy", "*", "--cacert", t.certs.ca, *bearer(lease.token("anna")), "-o", t.path("answer"), "-w",
                        "%{http_code}\n", "--resolve", f"app.localhost:{lease.proxy.port()}:127.0.0.1",
                        f"https://app.localhost:{lease.proxy.port()}/up"])
        wait_until(lambda: lease.admin.by_user().get("anna", {}).get("bytes_in", 0) > 100_000, "an upload to run")
        equal(lease.admin.ask("DELETE", f"/exchanges/{lease.admin.by_user()['anna']['id']}")[0], 200, "status of the end")
        wait_until(lambda: not sent.running(), f"the upload to end, {version}", 10)
        # No answer had begun: there is one that says what happened, though not every curl reads it.
        sent.exit_code()
        check(sent.lines[-1] in ("403", "000"), f"{version}: {sent.lines}")
        wait_until(lambda: not lease.admin.by_user(), "the exchange to be gone")
        wait_until(lambda: saw[-1][1], f"the service to be told, {version}")
        head, _, body = bytes(saw[-1][0]).partition(b"\r\n\r\n")
        check(b"transfer-encoding: chunked" in head.lower(), f"{version}: the service saw {head}")
        check(len(body) > 100_000 and not body.endswith(b"\r\n0\r\n\r\n"), f"{version}: whole for the service: {body[-40:]}")
    equal(len(saw), 2, "uploads that the service saw")


@case()
def grpc_call(t):
    """A stream of whom is revoked ends with PERMISSION_DENIED after the messages that it got."""
    served = grpc_service(t)
    lease = Lease(t, "anna", "berta", routes=lambda policy: [guarded(served.url, policy=policy, timeout="0s")])

    def call(name):
        return t.child([*PEERS, "call", "--port", str(lease.proxy.port()), "--ca", t.certs.ca, "--metadata", "hold=1",
                        "--metadata", f"authorization=Bearer {lease.token(name)}", "--deadline", "60", "unary_stream",
                        "hello"], environment())
    calls = {name: call(name) for name in ("anna", "berta")}
    wait_until(lambda: len([x for x in lease.admin.exchanges() if x["state"] == "streaming" and x["bytes_out"]]) == 2,
               "two calls to run")
    equal({x["kind"] for x in lease.admin.exchanges()}, {"grpc"}, "kinds")
    lease.edit("berta")
    wait_until(lambda: not calls["anna"].running(), "the call to end", 2 * LATEST)
    calls["anna"].exit_code()
    answer = json.loads(calls["anna"].lines[-1])
    equal((answer["code"], answer["messages"]), ("PERMISSION_DENIED", ["hello"]), "what the client saw")
    check(calls["berta"].running(), "the other call has ended, too")
    wait_until(lambda: "client left" in served.lines, "the service to be told")


def echo(sock):
    while piece := sock.recv(65536):
        sock.sendall(piece)


def tunnel_routes(to):
    return lambda policy: [{"from": f"tcp+https://{TUNNEL}", "to": to.replace("http", "tcp"), "policy": policy}]


@case()
def connect_tunnel(t):
    """Bytes through CONNECT, until the one who opened it is revoked: then the end, and nothing looks whole by chance."""
    upstream = Upstream(t, on_connect=echo)
    lease = Lease(t, "anna", "berta", routes=tunnel_routes(upstream.url))
    context = ssl.create_default_context(cafile=t.certs.ca)

    def tunnel(name):
        wire = Wire(lease.proxy.port(), tls=context, name="tunnel.wild.localhost")
        t.stack.callback(wire.sock.close)
        head = f"CONNECT {TUNNEL} HTTP/1.1\r\nHost: {TUNNEL}\r\n"
        wire.send((head + (f"Authorization: Bearer {lease.token(name)}\r\n" if name else "") + "\r\n").encode())
        return wire, wire.take_head()[0]

    def passes(wire, sent=b"x" * 100_000):
        wire.received = b""
        wire.send(sent)
        while len(wire.received) < len(sent):
            check(wire.more(), "the tunnel has ended")
        equal(wire.received, sent, "what came back")
    equal([tunnel(name)[1] for name in (None, "carl")], [401, 403], "who may not")
    (anna, first), (berta, second) = tunnel("anna"), tunnel("berta")
    equal((first, second), (200, 200), "who may")
    for wire in (anna, berta):
        passes(wire)
    equal({x["kind"] for x in lease.admin.exchanges()}, {"tcp"}, "kinds")
    anna.received = b""
    equal(lease.admin.ask("POST", "/revoke", {"user": "anna@example.com"})[0], 202, "status of the revocation")
    check(anna.rest(LATEST), "the tunnel stays open")
    equal(anna.received, b"", "bytes at the end")
    passes(berta)
    edited = lease.edit("carl")
    check(berta.rest(LATEST) and time.monotonic() - edited < LATEST, "the tunnel outlives the policy")


@case()
def curl_through_connect(t):
    """curl uses the proxy as a proxy: an answer through the tunnel, and a stream that ends with its permission."""
    lease = Lease(t, "anna", routes=tunnel_routes(t.service().url))

    def through(path, name="anna"):
        return ["curl", "-sS", "-N", "--proxytunnel", "--proxy", f"https://127.0.0.1:{lease.proxy.port()}",
                "--proxy-cacert", t.certs.ca, "--noproxy", "", "--proxy-header",
                f"Authorization: Bearer {lease.token(name)}", f"http://{TUNNEL}{path}"]
    equal(run(through("/hello")), "hello from one: GET /hello\n", "answer")
    refused = run(through("/hello", "berta"), expect=56)
    check("403" in refused.err, f"somebody else: {refused.err}")
    stream = t.child(through("/stream?count=100000&every=0.05"))
    wait_until(lambda: len(stream.lines) > 3, "lines through the tunnel")
    lease.edit("carl")
    wait_until(lambda: not stream.running(), "the stream to end", 2 * LATEST)
    equal(stream.exit_code(), 18, f"curl's exit code: {stream.stderr()}")


@case()
def three_hundred(t):
    """Half of three hundred WebSockets end by one edit; the other half still echoes."""
    names = [f"user{n}" for n in range(300)]
    stay = names[::2]
    lease = Lease(t, *names)
    live = lease.sockets.open_all(lease.proxy, {name: lease.token(name) for name in names})
    dry = lease.admin.ask("POST", "/policy/dry-run", lease.config(*stay))[1]
    equal({x["user"] for x in dry["would_end"]}, set(names[1::2]), "who would go")
    edited = lease.edit(*stay)
    for name in names[1::2]:
        check_ended(live[name], edited, f"the WebSocket of {name}")
    for name in stay:
        live[name].check_lives(name)
    equal(len(lease.admin.exchanges()), len(stay), "who is listed")
    log = [line for line in t.access_log() if line["status"] == 101]
    equal({line["user"] for line in log}, set(names[1::2]), "whose ends are on record")
    equal(len(log), 150, "records")
