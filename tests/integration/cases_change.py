"""Change and end under load: reloads, certificates, every key, and SIGTERM, while clients of all kinds go on."""
import asyncio
import base64
import os
import re
import signal
import ssl
import time

from cases_lease import Admin
from cases_life import serial
from failing import Fleet
from harness import ROOT, accepts, case, check, equal, free_port, open_route, run, wait_until
from http2_wire import Client as Http2, standard
from raw import Wire, request
from sockets import Sockets
from tokens import Key, local
from traffic import Echoes, Posts, Uploads, check_h2load, check_wrk, h2, h2load, size, wrk


class Busy:
    """A proxy that every kind of client uses: two services for requests, one for uploads, one for WebSockets."""

    def __init__(self, t, sockets, **keys):
        self.t, self.sockets = t, Sockets(t)
        self.fleet = Fleet(t, 2)
        routes = [open_route(self.sockets.serve(), prefix="/ws", allow_websockets=True),
                  open_route(t.service().url, prefix="/upload"), open_route(self.fleet.urls)]
        for route in routes:
            route["upstream_idle_timeout"] = "1s"
        self.config = t.config(routes, workers=2, **keys)
        self.proxy = t.proxy(self.config)
        self.live = self.sockets.open_all(self.proxy, {f"ws/{n}": None for n in range(sockets)})
        self.echoes = Echoes(t, self.sockets, self.live)

    def hang_up(self):
        async def every():
            await asyncio.gather(*(socket.socket.close() for socket in self.live.values()))
        self.sockets.run(every(), 60)

    def said(self, what):
        return sum(what in line for line in list(self.proxy.errors))

    def reload(self, config, verdict="taken over"):
        """Waits until the proxy has said what it thinks of the configuration."""
        before = self.said(f": {verdict}")
        self.proxy.reload(config)
        wait_until(lambda: self.said(f": {verdict}") > before, lambda: f"«{verdict}»: {self.proxy.stderr()[-800:]}")


def failed(t):
    """Exchanges on record that failed, but for those whose client went away."""
    return [line for line in t.access_log() if line["status"] not in (101, 200) and not line["cause"].startswith("downstream_")][:3]


@case("wrk", "h2load")
def reloads(t):
    """Twenty reloads, half of them broken, under all kinds of load: no request fails, no WebSocket ends, memory comes back."""
    seconds = size(60, 8)
    busy = Busy(t, size(200, 50))
    proxy = busy.proxy
    busy.echoes.check_went_well()
    busy.hang_up()
    wait_until(lambda: proxy.descriptors() <= proxy.at_start, lambda: f"{proxy.at_start} descriptors", 15)
    rss = proxy.rss()
    busy.live = busy.sockets.open_all(proxy, {f"ws/{n}": None for n in range(size(200, 50))})
    busy.echoes = Echoes(t, busy.sockets, busy.live)
    load = [wrk(t, proxy, seconds), h2load(t, proxy, seconds)]
    uploads = Uploads(t, proxy)
    started = time.monotonic()
    broken = (lambda c: dict(c, surprise=1), lambda c: "routes: [", lambda c: dict(c, certificates=[{"cert": "none", "key": "none"}]),
              lambda c: dict(c, routes=[*c["routes"], open_route("nowhere://x")]), lambda c: dict(c, timeout_read="soon"))
    for n in range(20):
        if n % 2:
            busy.reload(broken[n // 2 % len(broken)](busy.config), "not taken over")
        else:
            extra = open_route(busy.fleet.urls[n // 2 % 2], prefix=f"/extra/{n}")
            busy.reload(dict(busy.config, timeout_read=f"{30 + n}s", routes=[extra, *busy.config["routes"]]))
        time.sleep(max(0, started + (n + 1) * seconds * 0.9 / 20 - time.monotonic()))
    check_wrk(load[0], seconds)
    check_h2load(load[1], seconds)
    uploads.check_went_well(5)
    busy.echoes.check_went_well(5)
    check(not any(socket.ended() for socket in busy.live.values()), "WebSockets ended")
    busy.hang_up()
    wait_until(lambda: proxy.descriptors() <= proxy.at_start, lambda: f"{proxy.at_start} descriptors", 15)
    with open(t.suite.binary, "rb") as binary:  # ASan keeps what was freed for a while
        most = 48 if b"__asan_init" in binary.read() else 16
    check(proxy.rss() - rss < most << 20, lambda: f"{(proxy.rss() - rss) >> 10} KiB more than at rest")
    equal(failed(t), [], "exchanges that failed")
    proxy.signal(signal.SIGTERM)
    equal(proxy.exit_code(), 0, "exit code")


@case("h2load")
def sigterm_under_load(t):
    """SIGTERM meets every kind of client: what was accepted is answered, WebSockets hear 1001 one after the other, exit 0."""
    allowed = size(20, 4)
    busy = Busy(t, size(200, 50), drain_timeout=f"{allowed}s")
    proxy = busy.proxy
    posts, uploads, tool = Posts(t, proxy), Uploads(t, proxy), h2load(t, proxy, 60)
    wait_until(lambda: posts.done > 50 and uploads.done > 1, "load", 20)
    busy.echoes.farewells, uploads.draining = (1001,), True
    told = time.monotonic()
    proxy.signal(signal.SIGTERM)
    equal(proxy.exit_code(allowed + 10), 0, "exit code")
    took = time.monotonic() - told
    check(took < allowed + 1.5, f"ended after {took:.1f} s")
    for client in (posts, uploads):
        client.join()
        equal(client.problems, [], f"problems of {type(client).__name__}")
    busy.echoes.check_went_well()
    executed = busy.fleet.executed()
    equal(sorted(posts.lost & set(executed))[:5], [], "POSTs that were executed and not answered")
    equal({key for key in posts.answered if executed[key] != 1}, set(), "POSTs that were not executed once")
    check(posts.goaways >= 2, f"{posts.goaways} GOAWAYs")
    wait_until(lambda: all(socket.ended() for socket in busy.live.values()), "the WebSockets' ends")
    equal({socket.closed()[0] for socket in busy.live.values()}, {1001}, "close codes")
    ends = sorted(socket.ended_at - told for socket in busy.live.values())
    check(ends[-1] - ends[0] > allowed * 0.4 and ends[len(ends) // 4] < ends[-1] * 0.7,
          f"not spread: {[round(e, 2) for e in ends]}")
    log = t.access_log()
    equal(sum(line["path"] == "/upload" for line in log), uploads.done, "uploads on record")
    equal(failed(t), [], "exchanges that failed")
    tool.kill()


GLOBAL = re.compile(r'^GLOBAL_OPTION\(\d+, \w+, (\w+), \w+, "([^"]+)", (-?\d+), (-?\d+), (\w+),', re.M)


def second_values(t):
    """(key, keys of the file) for each global key that the library has, none of them as in Busy's configuration."""
    # The other two ways of enforcement refuse whoever came without a certificate, on old connections, too.
    mtls = {"ca_file": t.certs.ca, "enforcement": "policy"}
    signing = t.certs.pair("app")["key"]
    revoked = empty_crl(t)
    said = {
        "drain_strategy": "immediate", "path_with_escaped_slashes_action": "keep_unchanged",
        "headers_with_underscores_action": "allow", "set_response_headers": {"X-Second": "1"},
        "certificate_authority": inline(t.certs.ca), "certificate_authority_file": t.certs.ca, "dns_lookup_family": "V4_ONLY",
        "dns_resolvers": ["127.0.0.1:5353"], "access_log.path": t.path("second.log"), "jwt_providers": local(Key("k")),
        "downstream_mtls.ca": {**mtls, "ca": inline(t.certs.ca), "ca_file": None}, "downstream_mtls.ca_file": mtls,
        "downstream_mtls.crl": {**mtls, "crl": inline(revoked)}, "downstream_mtls.crl_file": {**mtls, "crl_file": revoked},
        "downstream_mtls.enforcement": mtls,
        "downstream_mtls.match_subject_alt_names": {**mtls, "match_subject_alt_names": [{"dns": ".*"}]},
        "downstream_mtls.max_verify_depth": {**mtls, "max_verify_depth": 3},
        "sign_in_url": "https://sign-in.example/", "signing_key": inline(signing), "signing_key_file": signing,
        "jwt_claims_headers": ["email"], "admin_address": f"unix:{t.path('admin2')}",
        "circuit_breaker_thresholds": {"max_connections": 500}, "metrics_address": f"unix:{t.path('metrics')}", "workers": 3,
        "limits": [{"by": "source_ip", "concurrent": 10000}], "allow_upgrades": ["foo/1"],
    }
    with open(os.path.join(ROOT, "lib/config/options.def")) as rows:
        options = GLOBAL.findall(rows.read())
    check(len(options) > 50, f"only {len(options)} global options were found")
    for kind, key, default, least, _ in options:
        value = said.get(key)
        if value is None and kind == "boolean":
            value = default == "0"
        elif value is None and kind == "integer":
            value = int(default) + 1
        elif value is None and kind == "duration_ms":
            value = "1h" if default == "0" else f"{int(default) + 1000}ms"
        check(value is not None, f"no second value for {key}: add it here")
        outer, dot, inner = key.partition(".")
        if isinstance(value, dict) and dot:
            value = {k: v for k, v in value.items() if v is not None}
        elif dot:
            value = {inner: value}
        yield key, {outer: value}


def inline(path):
    with open(path, "rb") as pem:
        return base64.b64encode(pem.read()).decode()


def empty_crl(t):
    """A list of the suite's CA on which nobody is."""
    with open(t.path("ca.cnf"), "w") as out:
        out.write(f"[ca]\ndefault_ca=d\n[d]\ndatabase={t.path('index')}\ndefault_md=sha256\ndefault_crl_days=30\n")
    open(t.path("index"), "w").close()
    run(["openssl", "ca", "-config", t.path("ca.cnf"), "-gencrl", "-cert", t.certs.ca, "-keyfile", t.certs.ca_key, "-out",
         t.path("ca.crl")])
    return t.path("ca.crl")


@case("openssl", "curl")
def each_key(t):
    """Every global key is changed in turn: what is open goes on, on both kinds of HTTP, and nothing is drained."""
    busy = Busy(t, 4, admin_address=f"unix:{t.path('admin')}")
    proxy, tls = busy.proxy, ssl.create_default_context(cafile=t.certs.ca)
    streaming = dict(busy.config, routes=[open_route(t.service().url, prefix="/stream"), *busy.config["routes"]])
    busy.reload(streaming)
    with Wire(proxy.port(), tls=tls) as download, Wire(proxy.port(), tls=tls) as kept, Http2(proxy.port(), h2(t)) as kept2:
        download.send(request("/stream?count=100000&every=0.02"))
        equal((download.take_head()[0], kept.ask("/before").status), (200, 200), "statuses before")
        stream = 1
        for key, keys in second_values(t):
            busy.reload({**streaming, **keys})
            said = busy.echoes.rounds
            equal(kept.ask("/after").header("connection"), None, f"«Connection» after {key}")
            equal(kept2.ask(stream, standard("/after")), ("200", None), f"answer over HTTP/2 after {key}")
            stream += 2
            equal((kept2.goaway, busy.echoes.problems), (None, []), f"GOAWAY, WebSockets' problems after {key}")
            # What has arrived may be from before the change; two pieces are not.
            for _ in range(2):
                download.received = b""
                check(download.more(), f"the download ends after {key}")
            wait_until(lambda: busy.echoes.rounds > said + 1 or busy.echoes.problems, f"echoes after {key}")
            equal(busy.echoes.problems, [], f"WebSockets' problems after {key}")
        busy.reload(streaming)
        equal(Admin(t, f"unix:{t.path('admin')}").ask("GET", "/drains"), (200, {"drains": []}), "drains")
        busy.echoes.check_went_well(5)


@case()
def moved_listener(t):
    """Another address of one listener: that one is drained, the other goes on; and so the other way round."""
    busy = Busy(t, 4, http_redirect_addr="127.0.0.1:0", drain_timeout="1s")
    proxy = busy.proxy
    wait_until(lambda: len(proxy.listening(2)) == 2, "both listeners")
    redirect = int(proxy.listening(2)[1].rsplit(":", 1)[1])
    with Wire(redirect) as before, Wire(proxy.port(), tls=ssl.create_default_context(cafile=t.certs.ca)) as kept:
        equal((before.ask("/").status, kept.ask("/").status), (301, 200), "statuses before")
        moved = dict(busy.config, http_redirect_addr=f"127.0.0.1:{free_port()}")
        busy.reload(moved)
        check(before.rest(3), "a connection of the listener that moved stays")
        wait_until(lambda: not accepts(redirect), "the old address to be closed")
        new = int(moved["http_redirect_addr"].rsplit(":", 1)[1])
        with Wire(new) as after:
            equal((after.ask("/").status, kept.ask("/").header("connection")), (301, None), "at the new address, «Connection»")
            busy.echoes.check_went_well()
            old = proxy.port()
            busy.reload(dict(moved, address=f"127.0.0.1:{free_port()}"))
            check(kept.rest(3), "an idle connection of the listener that moved stays")
            wait_until(lambda: all(socket.ended() for socket in busy.live.values()), "the WebSockets to be told", 5)
            equal({socket.closed()[0] for socket in busy.live.values()}, {1001}, "close codes")
            check(not accepts(old), "the old address still listens")
            equal(after.ask("/").status, 301, "status at the listener that stays")


@case("openssl")
def certificates(t):
    """Open WebSockets outlive every change of certificates; the next handshake shows the new one each time."""
    kind, names = t.certs.NAMES["app"]
    busy = Busy(t, size(1000, 100), certificates=[t.certs.issue("swapped", kind, names, t.folder)])
    proxy, seen = busy.proxy, {serial(t, busy.proxy)}
    for n in range(size(50, 10)):
        rounds = busy.echoes.rounds
        pair = t.certs.issue("swapped", kind, names, t.folder)
        busy.reload(busy.config)
        told = run(["openssl", "x509", "-noout", "-serial", "-in", pair["cert"]]).strip().removeprefix("serial=").lstrip("0")
        equal({serial(t, proxy).lstrip("0") for _ in range(4)}, {told}, f"serial numbers of handshakes after change {n}")
        seen.add(told)
        wait_until(lambda: busy.echoes.rounds > rounds or busy.echoes.problems, "echoes", 20)
    busy.echoes.check_went_well(size(50, 10))
    check(not any(socket.ended() for socket in busy.live.values()), "WebSockets ended")
