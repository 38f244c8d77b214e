"""Limits with real clients: exactly so many pass, whoever asks and on whichever worker; bytes come at their pace."""
import collections
import time

import websockets

from harness import case, check, equal, open_route, wait_until
from sockets import Sockets
from tokens import Key, bearer, guarded, local


def burst(t, proxy, count, *arguments, path="/", **where):
    """`count` requests by one curl, many at a time; how often each status came."""
    said = t.curl("-Z", "--parallel-max", "20", "-o", "/dev/null", "-w", "%{http_code}\n", *arguments, proxy=proxy,
                  path=f"{path}?n=[1-{count}]", **where)
    return dict(collections.Counter(said.split()))


@case()
def a_parallel_burst(t):
    """Forty at once over two workers: ten pass, in either protocol; a new configuration gives nobody more."""
    routes = [open_route(t.service().url, limits=[{"by": "source_ip", "requests": 10, "per": "1h"}])]
    proxy = t.proxy(t.config(routes, workers=2))
    equal(burst(t, proxy, 40, "--http1.1"), {"200": 10, "429": 30}, "statuses of forty")
    equal(burst(t, proxy, 20, "--http2"), {"429": 20}, "statuses of twenty more")
    answer = t.curl("-i", proxy=proxy)
    wait = next(int(line.split(":")[1]) for line in answer.splitlines() if line.lower().startswith("retry-after:"))
    check(300 < wait <= 360, f"Retry-After is {wait}: a tenth of an hour is 360 s")
    proxy.reload(t.config([*routes, open_route(t.service().url, host="127.0.0.1.localhost")], workers=2))
    wait_until(lambda: t.status(proxy=proxy, host="127.0.0.1.localhost") == 200, "the new configuration")
    equal(t.status(proxy=proxy), 429, "status after the change")
    limited = [line for line in t.access_log() if line["status"] == 429]
    check(limited and all(line["cause"] == "limited:source_ip.requests" and line["flags"] == "RL" for line in limited),
          f"the log says {limited[:1]}")


@case()
def users_have_their_own(t):
    """One user's burst leaves another's alone, and is refused only once the policy has let it pass."""
    key = Key("one")
    proxy = t.proxy(t.config([guarded(t.service().url)], limits=[{"by": "user", "requests": 5, "per": "1h"}],
                             jwt_providers=local(key), workers=2))
    equal(burst(t, proxy, 8), {"401": 8}, "statuses of nobody")
    for name in ("anna", "berta"):
        equal(burst(t, proxy, 12, *bearer(key.token(name))), {"200": 5, "429": 7}, f"statuses of {name}")


@case()
def websockets_of_a_user(t):
    """Two at once: a third is refused until one of them has gone, however it went."""
    key, sockets = Key("one"), Sockets(t)
    proxy = t.proxy(t.config([guarded(sockets.serve(), allow_websockets=True)], jwt_providers=local(key), workers=2,
                             limits=[{"by": "user", "concurrent": 2}]))
    anna = key.token("anna")
    first, second = sockets.open(proxy, "anna1", anna), sockets.open(proxy, "anna2", anna)
    equal(sockets.refused(proxy, "anna3", anna), 429, "the third")
    sockets.open(proxy, "berta", key.token("berta")).check_lives()
    first.check_lives()
    sockets.run(first.socket.close())

    def opened():
        try:
            return sockets.open(proxy, "anna4", anna)
        except websockets.InvalidStatusCode:
            return None
    wait_until(opened, "room for another").check_lives()
    second.check_lives()
    equal(sockets.refused(proxy, "anna5", anna), 429, "one too many again")


def seconds(t, proxy, *arguments, path):
    return float(t.curl("-o", "/dev/null", "-w", "%{time_total}", *arguments, proxy=proxy, path=path))


@case()
def a_pace_for_bytes(t):
    """A megabyte a second, down and up, in either protocol; the time of the answer's timeout is the service's alone."""
    limits = [{"by": "route", "bytes_per_second": 1_000_000}]
    proxy = t.proxy(t.config([open_route(t.service().url, limits=limits, timeout="1500ms", idle_timeout="1s")]))
    upload = t.path("upload")
    with open(upload, "wb") as out:
        out.write(bytes(2_500_000))
    for version in ("--http1.1", "--http2"):
        time.sleep(0.3)  # the burst is there again
        down = seconds(t, proxy, version, path="/bytes?size=2500000")
        check(1.8 <= down <= 4.5, f"a download {version} took {down} s: 2.25 were due")
        up = seconds(t, proxy, version, "--data-binary", f"@{upload}", path="/upload")
        check(1.8 <= up <= 4.5, f"an upload {version} took {up} s: 2.25 were due")
    causes = {line["cause"] for line in t.access_log()}
    equal(causes, {"ok"}, "causes in the log")


@case()
def an_address_shares_its_pace(t):
    """Four downloads at once by one address take as long as one of four times the size."""
    proxy = t.proxy(t.config([open_route(t.service().url)], limits=[{"by": "source_ip", "bytes_per_second": 1_000_000}],
                             workers=2))
    began = time.monotonic()
    got = t.curl("-Z", "-o", "/dev/null", "-w", "%{http_code} %{size_download}\n", proxy=proxy,
                 path="/bytes?size=700000&n=[1-4]")
    took = time.monotonic() - began
    equal(sorted(got.split("\n")[:4]), ["200 700000"] * 4, "what came")
    check(2.0 <= took <= 5, f"it took {took} s: 2.55 were due")
