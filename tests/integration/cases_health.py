"""Who is fit, and where they are: active checks of real services, and names whose addresses change."""
import json
import os
import signal
import socket
import time

from cases_balance import RETRY, check_all_served, pause
from cases_grpc import environment
from cases_lease import Admin
from failing import PYTHON, Fleet, Load, Names
from harness import Skipped, case, check, equal, free_port, open_route, wait_until
from raw import Upstream, Wire

EVERY = {"timeout": "1s", "interval": "200ms", "no_traffic_interval": "200ms", "unhealthy_threshold": 2,
         "healthy_threshold": 2}


class Watched:
    """A proxy in front of checked endpoints, with its admin interface."""

    def __init__(self, t, to, check_keys, **keys):
        admin = f"unix:{t.path(f'admin{t.started}')}"
        self.proxy = t.proxy(t.config([open_route(to, health_checks=[{**EVERY, **check_keys}], **keys)], tls=False, workers=2,
                                      admin_address=admin), options=("--log-level", "notice"))
        self.admin = Admin(t, admin)

    def endpoints(self):
        status, answer = self.admin.ask("GET", "/clusters")
        equal(status, 200, "status of GET /clusters")
        return {e["address"]: e for e in answer["clusters"][0]["endpoints"]}

    def wait_for(self, address, health, seconds=3):
        """Gives how long it took until /clusters says so."""
        started = time.monotonic()
        wait_until(lambda: self.endpoints()[address]["health"] == health, f"{address} to be {health}", seconds)
        return time.monotonic() - started

    def said(self, address):
        """What the log says about an endpoint: («healthy» or «unhealthy», cause) in turn."""
        lines = [line for line in self.proxy.stderr().split("\n") if f"endpoint {address} is " in line]
        return [tuple(line.split(f"endpoint {address} is ")[1].split(": ", 1)) for line in lines]

    def names(self, count=20):
        with Wire(self.proxy.port()) as wire:
            return {wire.ask("/").header("x-service") for _ in range(count)}


def sicken(path):
    open(path, "w").close()


def place(url):
    return url.split("://")[1]


@case()
def http_check(t):
    """503 to a check: asked no more, on both workers, until two have gone well again."""
    fleet = Fleet(t, 3)
    watched = Watched(t, fleet.urls, {"http_health_check": {"path": "/healthz"}})
    first = place(fleet.urls[0])
    for url in fleet.urls:
        watched.wait_for(place(url), "healthy")
    equal(watched.names(), {"s0", "s1", "s2"}, "who answers")
    load = Load(t, watched.proxy)
    for _ in range(2):
        sicken(fleet.sick(0))
        took = watched.wait_for(first, "unhealthy")
        check(took < 1.5, f"found out after {took:.2f} s")
        for _ in range(4):  # over both workers
            equal(watched.names(), {"s1", "s2"}, "who answers while one is sick")
        os.remove(fleet.sick(0))
        watched.wait_for(first, "healthy")
        equal(watched.names(), {"s0", "s1", "s2"}, "who answers")
    check_all_served(load.stop())
    causes = [(health, "503" in cause) for health, cause in watched.said(first)]
    equal(causes, [("healthy", False), ("unhealthy", True), ("healthy", False), ("unhealthy", True), ("healthy", False)],
          f"what the log says: {watched.said(first)}")
    for url in fleet.urls[1:]:
        equal(len(watched.said(place(url))), 1, f"edges of {url}")
    one = watched.endpoints()[first]
    check(one["failed_checks"] >= 2 and one["checks"] > one["failed_checks"], f"counts: {one}")


@case()
def checks_go_on_without_traffic_and_once(t):
    """Four workers check once each interval and not once each, with nobody asking for anything."""
    service = Upstream(t)
    route = open_route(service.url, health_checks=[{**EVERY, "http_health_check": {"path": "/healthz"}}])
    t.proxy(t.config([route], tls=False, workers=4))
    wait_until(lambda: service.requests, "the first check")
    before, started = len(service.requests), time.monotonic()
    pause(2)
    count, seconds = len(service.requests) - before, time.monotonic() - started
    check(3 * seconds <= count <= 5 * seconds + 1, f"{count} checks in {seconds:.2f} s")


@case()
def tcp_check(t):
    """One closes its port: refused connects are its end, and a port that is back its return."""
    fleet = Fleet(t, 2)
    watched = Watched(t, fleet.urls, {"tcp_health_check": {}})
    first = place(fleet.urls[0])
    watched.wait_for(first, "healthy")
    watched.wait_for(place(fleet.urls[1]), "healthy")
    load = Load(t, watched.proxy)
    sicken(fleet.sick(1))  # nobody asks for that
    fleet.kill(0)
    watched.wait_for(first, "unhealthy")
    equal(watched.names(), {"s1"}, "who answers")
    fleet.start(0)
    watched.wait_for(first, "healthy")
    equal(watched.names(), {"s0", "s1"}, "who answers again")
    load.stop()  # what was under way when it was killed has no policy of retries here
    said = watched.said(first)
    equal([health for health, _ in said], ["healthy", "unhealthy", "healthy"], f"what the log says: {said}")
    check("ECONNREFUSED" in said[1][1], f"the cause: {said[1]}")
    equal(len(watched.said(place(fleet.urls[1]))), 1, "edges of the other")


@case()
def stopped_service_times_out(t):
    """SIGSTOP: connects go well, answers do not come; that is found out in the check's own time."""
    fleet = Fleet(t, 2)
    watched = Watched(t, fleet.urls, {"timeout": "200ms", "http_health_check": {"path": "/healthz"}})
    first = place(fleet.urls[0])
    watched.wait_for(first, "healthy")
    fleet.children[0].signal(signal.SIGSTOP)
    watched.wait_for(first, "unhealthy")
    started = time.monotonic()
    equal(watched.names(), {"s1"}, "who answers")
    check(time.monotonic() - started < 1, "requests waited for whom is stopped")
    fleet.children[0].signal(signal.SIGCONT)
    watched.wait_for(first, "healthy")
    check("timeout" in watched.said(first)[1][1], f"what the log says: {watched.said(first)}")


@case()
def grpc_check(t):
    """grpc.health.v1 as python3-grpcio speaks it: NOT_SERVING, an unknown service, and the end of the process."""
    try:
        import grpc  # noqa: F401
    except ImportError:
        raise Skipped("no grpc")
    services = []
    for n in range(2):
        services.append(t.child([*PYTHON, "grpc_health", "--sick", t.path(f"g{n}.sick")], environment()))
    urls = [service.listening(1)[0] for service in services]
    watched = Watched(t, urls, {"grpc_health_check": {"service_name": "app"}})
    for url in urls:
        watched.wait_for(place(url), "healthy")
    sicken(t.path("g0.sick"))
    watched.wait_for(place(urls[0]), "unhealthy")
    os.remove(t.path("g0.sick"))
    watched.wait_for(place(urls[0]), "healthy")
    services[1].signal(signal.SIGKILL)
    watched.wait_for(place(urls[1]), "unhealthy")
    equal([[health for health, _ in watched.said(place(url))] for url in urls],
          [["healthy", "unhealthy", "healthy"], ["healthy", "unhealthy"]], "what the log says")
    other = Watched(t, urls[0], {"grpc_health_check": {"service_name": "other"}})
    other.wait_for(place(urls[0]), "unhealthy")


# ---- names -----------------------------------------------------------------------------------------

class Elsewhere:
    """Services on one port of several addresses of this machine, as a name's addresses are."""

    def __init__(self, t, *addresses):
        self.t = t
        self.children = {}
        self.port = free_port()
        for address in addresses:
            self.children[address] = t.child([*PYTHON, "serve", "--name", address, "--listen", f"{address}:{self.port}",
                                              "--delay", "0.01"])
        for child in self.children.values():
            child.listening(1)


def asked_of(proxy, count=12):
    with Wire(proxy.port()) as wire:
        answers = [wire.ask("/") for _ in range(count)]
    equal({answer.status for answer in answers}, {200}, "statuses")
    return {answer.header("x-service") for answer in answers}


@case()
def address_moves(t):
    """An A record of one second moves: the new address is used within its TTL and a second, the old one drains."""
    names, services = Names(t), Elsewhere(t, "127.0.0.2", "127.0.0.3")
    key = ("app.example", Names.A)
    names.answers[key] = [Names.address_record("127.0.0.2")]
    proxy = t.proxy(t.config([open_route(f"http://app.example:{services.port}")], tls=False, dns_resolvers=[names.address],
                             dns_lookup_family="V4_ONLY", workers=2))
    equal(asked_of(proxy), {"127.0.0.2"}, "who answers")
    load = Load(t, proxy)
    for address in ("127.0.0.3", "127.0.0.2"):
        names.answers[key] = [Names.address_record(address)]
        started = time.monotonic()
        wait_until(lambda: asked_of(proxy, 1) == {address}, f"{address} to be used", 4)
        took = time.monotonic() - started
        check(took < 2.2, f"used after {took:.2f} s")
        pause(0.2)
        equal(asked_of(proxy), {address}, "who answers")
    check_all_served(load.stop())


@case()
def resolver_dies(t):
    """What was known is used while the resolver is silent, and while there is none."""
    names, services = Names(t), Elsewhere(t, "127.0.0.2", "127.0.0.3")
    key = ("app.example", Names.A)
    names.answers[key] = [Names.address_record("127.0.0.2"), Names.address_record("127.0.0.3")]
    proxy = t.proxy(t.config([open_route(f"http://app.example:{services.port}")], tls=False, dns_resolvers=[names.address],
                             dns_lookup_family="V4_ONLY", dns_query_timeout="300ms", dns_query_tries=1,
                             admin_address=f"unix:{t.path('admin')}"))
    admin = Admin(t, f"unix:{t.path('admin')}")
    both = {"127.0.0.2", "127.0.0.3"}

    def listed():
        return {e["address"].split(":")[0] for e in admin.ask("GET", "/clusters")[1]["clusters"][0]["endpoints"]}
    equal(asked_of(proxy), both, "who answers")
    for silence, seconds in ((lambda: setattr(names, "silent", True), 2), (names.close, 1.5)):
        load = Load(t, proxy)
        silence()
        pause(seconds)
        equal(listed(), both, "addresses that are known")
        summary = load.stop()
        check_all_served(summary)
        equal(set(summary["services"]), both, "who answered the load")
        equal(asked_of(proxy), both, "who answers")
    check(names.asked[key] >= 2, f"the resolver was asked {names.asked[key]} times")


@case()
def service_records(t):
    """srv://: ports and weights are the records', the second priority is for when the first is not there."""
    names, fleet = Names(t), Fleet(t, 3)
    for target in ("a.example", "b.example", "c.example"):
        names.answers[target, Names.A] = [Names.address_record("127.0.0.1")]
    a, b, c = (Names.service_record(priority, weight, port, target) for priority, weight, port, target in (
        (0, 3, fleet.ports[0], "a.example"), (0, 1, fleet.ports[1], "b.example"), (5, 1, fleet.ports[2], "c.example")))
    names.answers["_app._tcp.example", Names.SRV] = [a, b, c]
    route = open_route("srv://_app._tcp.example", retry_policy=RETRY, health_checks=[{**EVERY, "tcp_health_check": {}}])
    proxy = t.proxy(t.config([route], tls=False, dns_resolvers=[names.address], dns_lookup_family="V4_ONLY"))

    def spread(count):
        with Wire(proxy.port()) as wire:
            answers = [wire.ask("/").header("x-service") for _ in range(count)]
        return {name: answers.count(name) for name in set(answers)}
    wait_until(lambda: spread(1), "names and checks")
    equal(spread(40), {"s0": 30, "s1": 10}, "answers by weight")
    fleet.kill(0)
    fleet.kill(1)
    wait_until(lambda: spread(4) == {"s2": 4}, "the second priority", 4)
    fleet.start(0)
    fleet.start(1)
    wait_until(lambda: spread(8) == {"s0": 6, "s1": 2}, "the first priority", 4)
    names.answers["_app._tcp.example", Names.SRV] = [c]
    wait_until(lambda: spread(4) == {"s2": 4}, "the change of the records", 3)
