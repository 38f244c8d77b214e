"""Failures that clients never see, and where requests go: services that die, stop, flap and cut, while requests flow."""
import collections
import concurrent.futures
import json
import re
import signal
import socket
import threading
import time

from cases_lease import Admin
from failing import Fleet, Load
from harness import case, check, equal, open_route, wait_until, write_config
from raw import Upstream, Wire, path_answer
from tokens import Key, guarded, local
from traffic import size

RETRY = {"retry_on": "5xx,reset,connect-failure,refused-stream", "num_retries": 1, "per_try_timeout": "400ms",
         "retry_back_off": {"base_interval": "5ms"}}
# Retries are limited to three at a time otherwise: more than that many clients meet a death at once.
LIMITS = {"max_retries": 100}


def patient(to, **keys):
    """A route that tries once more."""
    return open_route(to, retry_policy=RETRY, circuit_breaker_thresholds=LIMITS, **keys)


def balanced(t, to, **keys):
    return t.proxy(t.config([patient(to, **keys)], tls=False))


def pause(seconds):
    """Lets time pass in which the load goes on."""
    time.sleep(seconds)


def problems(summary):
    return f"of {summary['asked']}: {summary['failed']}; {summary['problems']}"


def check_all_served(summary, share=0.0):
    """No GET failed, or at most this share; what a POST may fail with is never an answer that is somebody else's."""
    failed = summary["failed"]["GET"]
    asked = summary["asked"]["GET"]
    check(asked > 100, f"hardly any load: {summary['asked']}")
    check(sum(failed.values()) <= share * asked, f"GETs failed {problems(summary)}")
    check(not [p for p in summary["failed"]["POST"] if p not in ("502", "503", "504")], f"POSTs {problems(summary)}")


def check_executed_once(fleet, *summaries):
    """Whatever came of a POST, no service has executed it again; what was answered was executed."""
    executed = fleet.executed()
    again = {key: times for key, times in executed.items() if times > 1}
    equal(again, {}, "POSTs that were executed more than once")
    answered = sum(s["asked"]["POST"] - sum(s["failed"]["POST"].values()) for s in summaries)
    check(answered > 20, f"hardly any POST: {answered} answered")
    check(sum(executed.values()) >= answered, f"{answered} POSTs answered, {sum(executed.values())} executed")


@case()
def killed_and_restarted(t):
    """kill -9 and a new start, twice: no GET fails, no POST is executed twice, and the one that is back gets its share."""
    fleet = Fleet(t)
    proxy = balanced(t, fleet.urls)
    load = Load(t, proxy, posts=4)
    for _ in range(2):
        pause(0.3)
        fleet.kill(1)
        pause(0.5)
        fleet.start(1)
    pause(0.3)
    summary = load.stop()
    check_all_served(summary)
    check_executed_once(fleet, summary)
    with Wire(proxy.port()) as wire:
        names = collections.Counter(wire.ask("/").header("x-service") for _ in range(30))
    equal(names, {"s0": 10, "s1": 10, "s2": 10}, "who answers afterwards")


@case()
def stopped(t):
    """SIGSTOP: it takes connections and answers nothing. Its share goes elsewhere, and soon it is asked no more."""
    fleet = Fleet(t)
    proxy = balanced(t, fleet.urls, outlier_detection={"consecutive_5xx": 3, "interval": "500ms", "base_ejection_time": "2s",
                                                       "max_ejection_percent": 50})
    load = Load(t, proxy, posts=4)
    pause(0.3)
    fleet.children[2].signal(signal.SIGSTOP)
    pause(1)
    second = Load(t, proxy)  # begins when it has been found out
    pause(0.7)
    quiet = second.stop()
    fleet.children[2].signal(signal.SIGCONT)
    pause(0.3)
    summary = load.stop()
    check_all_served(summary)
    check_all_served(quiet)
    check(quiet["took"]["100"] < 400, f"it is still asked: {quiet['took']}")
    check_executed_once(fleet, summary)
    check("s2" not in quiet["services"], f"answers of whom is stopped: {quiet['services']}")


@case()
def flapping(t):
    """One of four is there for half a second, then resets what it has and is not there for as long."""
    fleet = Fleet(t, 4, ["--delay", "0.02"])
    fleet.kill(0)
    fleet.start(0, "--flap", "0.5")
    proxy = balanced(t, fleet.urls)
    # In full 2,000 requests a second: two processes, as one of them is too slow for that.
    loads = [Load(t, proxy, clients=size(90, 10), posts=4, pause=0.04) for _ in range(2)]
    pause(size(20, 4))
    summaries = [load.stop() for load in loads]
    for summary in summaries:
        check_all_served(summary, 0.001)
    check_executed_once(fleet, *summaries)
    answered = collections.Counter()
    for summary in summaries:
        answered.update(summary["services"])
    check(0 < answered["s0"] < answered["s1"], f"who answered: {answered}")


@case()
def cut_heads(t):
    """One of three resets in the middle of every third head: nobody sees it, and POSTs are not asked again."""
    fleet = Fleet(t)
    fleet.kill(0)
    fleet.start(0, "--cut", "heads")
    load = Load(t, balanced(t, fleet.urls), posts=4)
    pause(2)
    summary = load.stop()
    check_all_served(summary)
    check_executed_once(fleet, summary)
    equal(set(summary["failed"]["POST"]), {"502"}, f"POSTs {problems(summary)}")


@case()
def cut_bodies(t):
    """What has begun cannot be taken back: the client can tell that it is not whole, and nothing else fails."""
    fleet = Fleet(t)
    fleet.kill(0)
    fleet.start(0, "--cut", "bodies", "--every", "10")
    load = Load(t, balanced(t, fleet.urls), posts=4)
    pause(2)
    summary = load.stop()
    for method in ("GET", "POST"):
        check(set(summary["failed"][method]) <= {"IncompleteReadError"}, problems(summary))
    cut = sum(summary["failed"]["GET"].values()) + sum(summary["failed"]["POST"].values())
    check(0 < cut < 0.1 * sum(summary["asked"].values()), f"cut answers {problems(summary)}")
    equal({key: n for key, n in fleet.executed().items() if n > 1}, {}, "POSTs that were executed more than once")


@case()
def slow(t):
    """One of three takes longer than a try may: it costs time and nothing else."""
    fleet = Fleet(t)
    fleet.kill(1)
    fleet.start(1, "--delay", "1")
    load = Load(t, balanced(t, fleet.urls, load_balancing_policy="least_request"), posts=4)
    pause(2.5)
    summary = load.stop()
    check_all_served(summary)
    check_executed_once(fleet, summary)
    equal(set(summary["failed"]["POST"]) - {"504"}, set(), f"POSTs {problems(summary)}")
    # A try's time and another try: whoever was faster never met it, whoever was slower waited for it.
    check(400 <= summary["took"]["100"] < 1000, f"slowest answers: {summary['took']}")


@case()
def all_down(t):
    """503 within milliseconds while nobody is there; served again within a check's interval and a second."""
    fleet = Fleet(t)
    checks = [{"timeout": "500ms", "interval": "500ms", "no_traffic_interval": "500ms", "unhealthy_threshold": 1,
               "healthy_threshold": 1, "http_health_check": {"path": "/healthz"}}]
    proxy = balanced(t, fleet.urls, health_checks=checks)
    for checked in (False, True):
        for n in range(3):
            fleet.kill(n)
        if checked:  # and not only before anybody has noticed
            pause(1)
        before = len(t.access_log())
        load = Load(t, proxy, clients=8, pause=0.005)
        pause(0.7)
        summary = load.stop()
        equal(set(summary["failed"]["GET"]), {"503"}, problems(summary))
        equal(summary["services"], {}, "answers of services")
        asked = sum(summary["asked"].values())
        # By the proxy's own clock: how long the clients wait for a processor is not its doing.
        log = wait_until(lambda: len(found := t.access_log()[before:]) >= asked and found, f"{asked} records")
        took = sorted(line["duration_ms"] for line in log if line["status"] == 503)
        equal(len(took), asked, "503 on record")
        middle, late = took[len(took) // 2], took[len(took) * 99 // 100]
        # Its own wait for a processor is within that. A retry's back-off is 10 ms at most, a try may take 400.
        check(middle <= 30 and late <= 150, f"503 after {middle} ms, {late} ms for one of a hundred")
        for n in range(3):
            fleet.start(n)
        started = time.monotonic()
        with Wire(proxy.port()) as wire:
            wait_until(lambda: wire.ask("/").status == 200, "service", 5)
            took = time.monotonic() - started
            check(took < 1.5, f"served again after {took:.2f} s")
            # And for good.
            pause(0.7)
            equal([wire.ask("/").status for _ in range(9)], [200] * 9, "statuses")


@case()
def round_robin_is_exact(t):
    """Weights 1, 2 and 5 over any multiple of eight, whoever asks."""
    services = [Upstream(t) for _ in range(3)]
    proxy = t.proxy(t.config([open_route([f"{s.url},{w}" for s, w in zip(services, (1, 2, 5))])], tls=False))
    for rounds in (1, 3, 20):
        before = [len(s.requests) for s in services]
        for _ in range(rounds):
            with Wire(proxy.port()) as one, Wire(proxy.port()) as two:
                for i in range(8):
                    equal((two if i % 3 else one).ask("/").status, 200, "status")
        spread = [len(s.requests) - b for s, b in zip(services, before)]
        equal(spread, [rounds, 2 * rounds, 5 * rounds], f"requests after {rounds} rounds")


@case()
def hash_ties_requests(t):
    """By a header: one value has one service, over connections and workers; when that is gone the others keep theirs."""
    fleet = Fleet(t, 4)
    for algorithm in ("ring_hash", "maglev"):
        proxy = t.proxy(t.config([patient(fleet.urls, load_balancing_policy=algorithm,
                                          hash_policy=[{"header": {"header_name": "x-tenant"}}])], tls=False, workers=2))

        def owners():
            found = collections.defaultdict(set)
            for _ in range(3):
                with Wire(proxy.port()) as wire:
                    for tenant in range(40):
                        answer = wire.ask("/", headers=[f"X-Tenant: t{tenant}"])
                        equal(answer.status, 200, f"status, {algorithm}")
                        found[tenant].add(answer.header("x-service"))
            return found
        before = owners()
        check(all(len(names) == 1 for names in before.values()), f"{algorithm} does not stick: {dict(before)}")
        check(len({name for names in before.values() for name in names}) >= 3, f"{algorithm} has no spread: {dict(before)}")
        fleet.kill(3)
        after = owners()
        check(all(after[tenant] == names for tenant, names in before.items() if names != {"s3"}),
              f"{algorithm}: whoever had another one was moved")
        fleet.start(3)


@case()
def too_many_requests(t):
    """max_requests is exact over all workers: the rest is told at once, and when to come back."""
    gate = threading.Event()
    service = Upstream(t, lambda seen, sock: gate.wait(20) and path_answer(seen))
    route = open_route(service.url, circuit_breaker_thresholds={"max_requests": 5})
    proxy = t.proxy(t.config([route], tls=False, workers=2))

    def ask(number):
        started = time.monotonic()
        with Wire(proxy.port(), timeout=20) as wire:
            answer = wire.ask(f"/{number}")
            return answer.status, answer.header("retry-after"), time.monotonic() - started

    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        for _ in range(2):
            gate.clear()
            waiting = [pool.submit(ask, number) for number in range(25)]
            refused = 20
            wait_until(lambda: sum(w.done() for w in waiting) >= refused, "those that are refused", 5)
            done = [w.result() for w in waiting if w.done()]
            equal({(status, bool(re.fullmatch("[1-9][0-9]*", after or ""))) for status, after, _ in done}, {(503, True)},
                  "status and Retry-After of the rest")
            check(max(took for _, _, took in done) < 1, f"refused after {max(took for _, _, took in done):.2f} s")
            gate.set()
            equal(collections.Counter(w.result()[0] for w in waiting), {200: 5, 503: refused}, "statuses")
    with Wire(proxy.port()) as wire:
        equal(wire.ask("/").status, 200, "status afterwards")


@case()
def retry_where_there_is_one_connection(t):
    """A service that takes one connection only and answers 503 on it: the retry, which wants another, has it give way."""
    failed = set()

    def script(seen, sock):
        target = seen.split(b" ")[1]
        if target.startswith(b"/fail") and target not in failed:
            failed.add(target)
            return b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"
        return path_answer(seen)
    service = Upstream(t, script)
    limits = {"per_host_thresholds": {"max_connections": 1}, "max_retries": 10}
    route = open_route(service.url, retry_policy={"retry_on": "5xx"}, circuit_breaker_thresholds=limits, connect_timeout="3s")
    with Wire(t.proxy(t.config([route], tls=False)).port()) as wire:
        for target in ("/a", "/fail1", "/fail2", "/b"):
            started = time.monotonic()
            answer = wire.ask(target)
            equal((answer.status, answer.body), (200, target.encode()), f"answer to {target}")
            check(time.monotonic() - started < 1, f"{target} took {time.monotonic() - started:.2f} s")


@case()
def try_that_does_not_even_connect(t):
    """A service that drops what wants to connect: per_try_timeout ends that, too, and nothing of a POST was seen."""
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(full.getsockname())
    service = Upstream(t)
    proxy = balanced(t, [f"http://127.0.0.1:{full.getsockname()[1]}", service.url], connect_timeout="5s")
    with Wire(proxy.port()) as wire:
        for i in range(4):
            started = time.monotonic()
            equal(wire.ask(f"/{i}", "POST" if i % 4 > 1 else "GET").status, 200, f"status of request {i}")
            check(time.monotonic() - started < 2, f"request {i} took {time.monotonic() - started:.2f} s")
    equal(len(service.requests), 4, "requests at the other service")
    for sock in [full, *fillers]:
        sock.close()


@case()
def spare_connections_push_nobody_out(t):
    """preconnect_ratio at the limit of connections: those that are there are used again, none is closed for a spare."""
    service = Upstream(t)
    for limits in ({"max_connections": 2}, {"per_host_thresholds": {"max_connections": 2}}):
        before = len(service.connections)
        proxy = t.proxy(t.config([open_route(service.url, circuit_breaker_thresholds=limits,
                                             preconnect_policy={"per_upstream_preconnect_ratio": 3})], tls=False))
        with Wire(proxy.port()) as wire:
            equal([wire.ask(f"/{i}").status for i in range(30)], [200] * 30, "statuses")
        check(len(service.connections) - before <= 2, f"{len(service.connections) - before} connections with {limits}")


@case()
def pool_of_each_user(t):
    """pool_per_user: no connection has ever carried two users' requests, though each user's is used again."""
    key = Key("k")
    service = Upstream(t)
    proxy = t.proxy(t.config([guarded(service.url, pool_per_user=True)], tls=False, jwt_providers=local(key)))
    tokens = {name: key.token(name) for name in ("anna", "berta")}
    with Wire(proxy.port()) as one, Wire(proxy.port()) as two:
        for i in range(20):
            for name, token in tokens.items():
                wire = (one, two)[(i // 2) % 2]  # each client connection carries both
                answer = wire.ask(f"/{name}/{i}", headers=[f"Authorization: Bearer {token}"])
                equal((answer.status, answer.body), (200, f"/{name}/{i}".encode()), "answer")
    seen = [set(re.findall(rb"GET /(\w+)/", bytes(connection))) for connection in service.connections]
    equal(sorted(map(sorted, seen)), [[b"anna"], [b"berta"]], "users on each connection")


@case()
def full_pool_of_another_user(t):
    """pool_per_user and one connection per service: the idle one of somebody else gives way at once."""
    key = Key("k")
    service = Upstream(t)
    limits = {"per_host_thresholds": {"max_connections": 1}}
    proxy = t.proxy(t.config([guarded(service.url, pool_per_user=True, circuit_breaker_thresholds=limits,
                                      connect_timeout="3s")], tls=False, jwt_providers=local(key)))
    with Wire(proxy.port()) as wire:
        for name in ("anna", "berta", "anna"):
            started = time.monotonic()
            answer = wire.ask(f"/{name}", headers=[f"Authorization: Bearer {key.token(name)}"])
            equal((answer.status, time.monotonic() - started < 1), (200, True), f"status of {name}, in time")
    seen = [set(re.findall(rb"GET /(\w+) ", bytes(connection))) for connection in service.connections]
    equal(seen, [{b"anna"}, {b"berta"}, {b"anna"}], "users on each connection")


@case()
def endpoints_of_a_file(t):
    """A new endpoint of an edited file is used within two seconds, a removed one drains: no request fails."""
    fleet = Fleet(t, 3, ["--delay", "0.02"])
    path = t.path("endpoints.json")
    write_config(path, json.dumps(fleet.urls[:2]))
    route = {**open_route("http://unused"), "endpoints_file": path}
    del route["to"]
    proxy = t.proxy(t.config([route], tls=False, admin_address=f"unix:{t.path('admin')}"))
    admin = Admin(t, f"unix:{t.path('admin')}")
    load = Load(t, proxy)

    def listed():
        return [e["address"] for e in admin.ask("GET", "/clusters")[1]["clusters"][0]["endpoints"]]
    equal(listed(), [f"127.0.0.1:{port}" for port in fleet.ports[:2]], "endpoints before")
    pause(0.3)
    write_config(path, json.dumps([{"url": fleet.urls[1]}, {"url": fleet.urls[2], "weight": 2}]))
    with Wire(proxy.port()) as wire:
        wait_until(lambda: wire.ask("/").header("x-service") == "s2", "the new one to answer", 2)
        equal({wire.ask("/").header("x-service") for _ in range(30)}, {"s1", "s2"}, "who answers")
    write_config(path, "- nonsense: [")
    wait_until(lambda: "endpoints.json" in proxy.stderr(), "the broken file to be named", 3)
    pause(0.2)
    summary = load.stop()
    check_all_served(summary)
    check(summary["services"]["s2"] > 20, f"who answered: {summary['services']}")
    wait_until(lambda: not connections_to(proxy, fleet.ports[0]), "the connections to whom is removed to close", 3)


def connections_to(proxy, port):
    """Established connections of the whole machine to this port of 127.0.0.1: only the proxy knows it."""
    with open("/proc/net/tcp") as table:
        return [line for line in table if re.match(rf" *\d+: \S+ 0100007F:{port:04X} 01", line)]


@case()
def nothing_leaks(t):
    """Fifty kills and starts under load: descriptors are back where they were, memory has not grown."""
    fleet = Fleet(t)
    proxy = balanced(t, fleet.urls)
    with Wire(proxy.port()) as wire:
        wire.ask("/")
    rest = proxy.descriptors()
    load = Load(t, proxy, posts=4)
    rss = None
    for round_ in range(50):
        fleet.kill(round_ % 3)
        pause(0.05)
        fleet.start(round_ % 3)
        pause(0.05)
        if round_ == 9:
            rss = proxy.rss()
    grown = proxy.rss() - rss
    summary = load.stop()
    check_all_served(summary)
    check_executed_once(fleet, summary)
    check(grown < 10 << 20, f"{grown >> 10} KiB more after another 40 rounds")
    for n in range(3):
        fleet.kill(n)  # takes its pooled connections along
    wait_until(lambda: proxy.descriptors() <= rest, lambda: f"descriptors to be {rest} again", 5)
