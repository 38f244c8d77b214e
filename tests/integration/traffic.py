"""All kinds of load at once: wrk, h2load, uploads, WebSockets, and clients that know which of their requests were lost."""
import os
import re
import ssl
import threading
import time

from harness import Failure, check, equal, program
from http2_wire import Client, standard
from raw import Wire

FULL = os.environ.get("CARDEA_FULL") == "1"


def size(full, small):
    """The full figure with CARDEA_FULL=1 in the environment, else one that suits every run."""
    return full if FULL else small


def cpu_seconds(pid):
    """User and system time of a process and all its threads."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(") ", 1)[1].split(" ")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def h2(t):
    context = ssl.create_default_context(cafile=t.certs.ca)
    context.set_alpn_protocols(["h2"])
    return context


class Background:
    """Clients on threads of their own until stop(); what went wrong is in `problems`."""

    def __init__(self, t, count=1):
        self.over = False
        self.lock = threading.Lock()
        self.problems, self.done = [], 0
        self.threads = [threading.Thread(target=self.guarded, args=(n,), daemon=True) for n in range(count)]
        t.stack.callback(self.stop)
        for thread in self.threads:
            thread.start()

    def guarded(self, number):
        try:
            self.run(number)
        except (Failure, OSError) as error:
            self.problem(f"{type(error).__name__}: {error}")

    def problem(self, text):
        with self.lock:
            self.problems.append(text)

    def count(self):
        with self.lock:
            self.done += 1

    def stop(self):
        self.over = True
        self.join()

    def join(self, seconds=30):
        for thread in self.threads:
            thread.join(seconds)
        check(not any(thread.is_alive() for thread in self.threads), f"a client of {type(self).__name__} hangs")

    def check_went_well(self, at_least=1):
        self.stop()
        equal(self.problems, [], f"problems of {type(self).__name__}")
        check(self.done >= at_least, f"{type(self).__name__} did {self.done} only")


class Uploads(Background):
    """1 MiB after the other on a connection that stays; each answer says how much arrived. With `draining`, a client that can
    connect no more ends, and one whose connection was closed before an answer begins again."""
    BODY = b"upload. " * (1 << 17)

    def __init__(self, t, proxy, count=2):
        self.port, self.tls = proxy.port(), ssl.create_default_context(cafile=t.certs.ca)
        self.draining = False
        super().__init__(t, count)

    def run(self, number):
        while not self.over:
            try:
                wire = Wire(self.port, timeout=20, tls=self.tls)
            except OSError:
                check(self.draining, "refused")
                return
            with wire:
                self.upload(wire)

    def upload(self, wire):
        while not self.over:
            try:
                answer = wire.ask("/upload", "POST", body=self.BODY)
            except Failure:
                check(self.draining and not wire.received, f"cut after {wire.received[:80]!r}")
                return
            check(answer.status == 200 and str(len(self.BODY)).encode() in answer.body,
                  lambda: f"upload: {answer.status} {answer.body[:80]!r}")
            self.count()
            if (answer.header("connection") or "").lower() == "close":
                check(self.draining, "the connection does not stay")
                return


class Echoes(Background):
    """Every WebSocket says something and hears it again, in turn, until stop()."""

    def __init__(self, t, sockets, live):
        self.sockets, self.live, self.rounds = sockets, live, 0
        self.farewells = ()  # close codes that are no problem
        super().__init__(t)

    def run(self, number):
        while not self.over:
            self.sockets.run(self.sockets.ask_all(self.live, f"round {self.rounds}", lambda: self.farewells), 30)
            time.sleep(min(0.1, len(self.live) / 500))
            self.rounds += 1
            self.count()


def wrk(t, proxy, seconds):
    return t.child([program("wrk"), "-t1", "-c16", f"-d{seconds}s", "-H", "Host: app.localhost",
                    f"https://127.0.0.1:{proxy.port()}/"])


def check_wrk(child, seconds):
    equal(child.exit_code(seconds + 20), 0, "exit code of wrk")
    out = "\n".join(child.lines)
    check("Socket errors" not in out and "Non-2xx" not in out, out)
    check(int(re.search(r"(\d+) requests in", out)[1]) > 100, out)


def h2load(t, proxy, seconds):
    return t.child([program("h2load"), "-c8", "-m10", f"-D{seconds}", f"--connect-to=127.0.0.1:{proxy.port()}",
                    f"https://app.localhost:{proxy.port()}/"])


def check_h2load(child, seconds):
    equal(child.exit_code(seconds + 20), 0, "exit code of h2load")
    out = "\n".join(child.lines)
    found = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", out)
    check(found, f"no summary: {out[-500:]}")
    equal(tuple(map(int, found.groups()[1:])), (0, 0, 0), "failed, errored and timeout of h2load")
    check(int(found[1]) > 100, out)
    statuses = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out)
    equal(tuple(map(int, statuses.groups()[1:])), (0, 0, 0), "statuses 3xx, 4xx and 5xx of h2load")


class Posts(Background):
    """POSTs that a drain meets. Each has a key that the service writes down: `answered` got all of their answer, `lost` none of
    it (the connection was closed, or the stream refused), and what got a part of it is a problem. One that was lost may be asked
    again elsewhere, so no service may have executed it. A client ends when it can connect no more."""

    def __init__(self, t, proxy, count=4):
        self.port, self.tls = proxy.port(), ssl.create_default_context(cafile=t.certs.ca)
        self.tls_http2 = h2(t)
        self.answered, self.lost, self.goaways = set(), set(), 0
        super().__init__(t, count)

    def run(self, number):
        made = 0
        while not self.over:
            try:
                if number % 2:
                    wire = Client(self.port, self.tls_http2)
                else:
                    wire = Wire(self.port, timeout=20, tls=self.tls)
            except (OSError, Failure):
                return
            with wire:
                (self.http2 if number % 2 else self.http1)(wire, f"{number}-{made}")
            made += 1

    def settle(self, key, whole):
        with self.lock:
            (self.answered if whole else self.lost).add(key)
            self.done += whole

    def http1(self, wire, name):
        asked = 0
        while not self.over:
            key, asked = f"{name}-{asked}", asked + 1
            try:
                answer = wire.ask(f"/{key}", "POST", body=key.encode())
            except (Failure, OSError):
                if wire.received:
                    self.problem(f"{key}: a part of the answer: {wire.received[:60]!r}")
                return self.settle(key, False)
            if answer.status != 200 or not answer.whole or key.encode() not in answer.body:
                self.problem(f"{key}: {answer.status} {answer.body[:60]!r}")
            self.settle(key, True)
            if (answer.header("connection") or "").lower() == "close":
                return None

    def http2(self, client, name):
        keys, last = {}, 0
        while not self.over and client.goaway is None and not client.closed:
            fresh = range(last * 2 + 1, last * 2 + 17, 2)
            last += 8
            for stream in fresh:
                keys[stream] = f"{name}-{stream}"
                body = keys[stream].encode()
                client.headers(stream, [*standard(f"/{keys[stream]}", "POST"), ("content-length", str(len(body)))], end=False)
                client.data(stream, body)
            while client.goaway is None and not client.closed and not all(client.settled(s) for s in fresh):
                client.read_frame()
        while not client.closed and not all(client.settled(s) for s in keys):
            client.read_frame()
        with self.lock:
            self.goaways += client.goaway is not None
        for stream, key in keys.items():
            if stream in client.reset_code and client.reset_code[stream] != 7:
                self.problem(f"{key}: reset with {client.reset_code[stream]}")
            elif stream in client.ended and client.status.get(stream) != "200":
                self.problem(f"{key}: {client.status.get(stream)}")
            elif stream in client.status and stream not in client.ended:
                self.problem(f"{key}: a part of the answer; last stream {client.last_stream}")
            elif stream not in client.ended and stream <= client.last_stream < 2**31 - 1 and stream not in client.reset_code:
                self.problem(f"{key}: accepted by GOAWAY {client.last_stream} and not answered")
            self.settle(key, stream in client.ended)
