#!/usr/bin/python3
"""Services that fail as they are told, the load that must not notice, and a name server: each a process of its own.

    failing.py serve --name NAME --listen HOST:PORT     prints «listening http://HOST:PORT», serves until it is killed
    failing.py load --port PORT                         prints «running», loads until SIGTERM, then prints a summary
    failing.py grpc_health --sick FILE                  grpc.health.v1.Health; NOT_SERVING while FILE exists

GET / answers with the service's name, GET /healthz with 503 while the file of --sick exists. A POST is written to the file
of --executed before it is answered: its body is what identifies it.
"""
import argparse
import asyncio
import collections
import concurrent.futures
import json
import os
import signal
import socket
import struct
import sys
import threading
import time

PYTHON = [sys.executable or "/usr/bin/python3", "-B", os.path.abspath(__file__)]


# ---- a service -------------------------------------------------------------------------------------

class Service:
    def __init__(self, arguments):
        self.name, self.sick, self.delay = arguments.name, arguments.sick, arguments.delay
        self.cut, self.every, self.flap = arguments.cut, arguments.every, arguments.flap
        host, port = arguments.listen.rsplit(":", 1)
        self.place = (host, int(port))
        self.executed = arguments.executed and os.open(arguments.executed, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.served = 0
        self.open = set()

    async def run(self):
        loop = asyncio.get_running_loop()
        while True:
            server = await loop.create_server(lambda: Talk(self, loop), *self.place, backlog=512)
            self.place = server.sockets[0].getsockname()[:2]
            print(f"listening http://{self.place[0]}:{self.place[1]}", flush=True)
            if not self.flap:
                await asyncio.Event().wait()
            await asyncio.sleep(self.flap)
            server.close()
            for talk in list(self.open):
                talk.reset()
            await asyncio.sleep(self.flap)

    def answer(self, method, path, body):
        """(status, body) of one request."""
        if path == "/healthz":
            return (503, b"sick") if self.sick and os.path.exists(self.sick) else (200, b"well")
        if method == "POST" and self.executed is not None:
            os.write(self.executed, body + b" " + self.name.encode() + b"\n")
        return 200, f"{self.name} {method} {path} {body.decode()}".encode()


class Talk(asyncio.Protocol):
    """One connection."""

    def __init__(self, service, loop):
        self.service, self.loop, self.pending = service, loop, b""

    def connection_made(self, transport):
        self.transport = transport
        self.service.open.add(self)

    def connection_lost(self, _):
        self.service.open.discard(self)

    def reset(self):
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def data_received(self, piece):
        self.pending += piece
        while not self.transport.is_closing():
            head, end, rest = self.pending.partition(b"\r\n\r\n")
            if not end:
                return
            lines = head.decode("latin-1").split("\r\n")
            size = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")), 0)
            if len(rest) < size:
                return
            self.pending = rest[size:]
            method, path, _ = lines[0].split(" ")
            if self.service.delay and path != "/healthz":
                self.loop.call_later(self.service.delay, self.answer, method, path, rest[:size])
            else:
                self.answer(method, path, rest[:size])

    def answer(self, method, path, body):
        if self.transport.is_closing():
            return
        service = self.service
        service.served += 1
        status, said = service.answer(method, path, body)
        whole = (f"HTTP/1.1 {status} X\r\nX-Service: {service.name}\r\nContent-Length: {len(said)}\r\n\r\n").encode()
        if service.cut and path != "/healthz" and service.served % service.every == 0:
            if service.cut == "heads":
                self.transport.write(whole[:len(whole) // 2])
            else:
                self.transport.write(whole + said[:len(said) // 2])
            # Later, so that the piece arrives before the reset takes it away.
            self.loop.call_later(0.01, self.reset)
            return
        self.transport.write(whole + said)


# ---- load ------------------------------------------------------------------------------------------

class Client:
    """Asks again and again on one connection, which it makes anew when it must."""

    def __init__(self, arguments, number):
        self.arguments, self.number = arguments, number
        self.asked = 0
        self.stream = None

    async def run(self, tally):
        while not tally.over:
            self.asked += 1
            post = self.arguments.posts and self.asked % self.arguments.posts == 0
            method = "POST" if post else "GET"
            started = time.monotonic()
            try:
                problem, service = await asyncio.wait_for(self.ask(method), 15)
            except (asyncio.TimeoutError, TimeoutError):
                problem, service = "no answer in 15 s", None
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                problem, service = type(error).__name__, None
            if problem:
                self.drop()
            tally.count(method, problem, service, time.monotonic() - started)
            await asyncio.sleep(self.arguments.pause)
        self.drop()

    def drop(self):
        if self.stream:
            self.stream[1].close()
        self.stream = None

    async def ask(self, method):
        """(what was wrong, the service that answered)."""
        if not self.stream:
            self.stream = await asyncio.open_connection("127.0.0.1", self.arguments.port)
        reader, writer = self.stream
        key = f"{os.getpid()}-{self.number}-{self.asked}"
        body = key if method == "POST" else ""
        head = f"{method} /{key} HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:] if line)
        status = lines[0].split(" ")[1]
        got = (await reader.readexactly(int(fields["content-length"]))).decode()
        if fields.get("connection") == "close":
            self.drop()
        if status != "200":
            return status, None
        service = fields.get("x-service")
        return (None if got == f"{service} {method} /{key} {body}" else f"another's answer: {got}"), service


class Tally:
    def __init__(self):
        self.over = False
        self.asked, self.failed = collections.Counter(), {"GET": collections.Counter(), "POST": collections.Counter()}
        self.services = collections.Counter()
        self.took, self.failed_after = [], []
        self.problems = []
        self.since = time.monotonic()

    def count(self, method, problem, service, took):
        self.asked[method] += 1
        if problem:
            self.failed[method][problem] += 1
            self.failed_after.append(took)
            self.problems.append((round(time.monotonic() - self.since, 3), method, problem, round(took, 3)))
        else:
            self.services[service] += 1
            self.took.append(took)

    def summary(self):
        return {"asked": self.asked, "failed": self.failed, "services": self.services, "took": percentiles(self.took),
                "failed_after": percentiles(self.failed_after), "problems": self.problems[:20]}


def percentiles(times):
    ordered = sorted(times)
    return {p: round(ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))] * 1000, 1) for p in (50, 99, 100)} \
        if ordered else {}


async def load(arguments):
    tally = Tally()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: setattr(tally, "over", True))
    clients = [asyncio.create_task(Client(arguments, n).run(tally)) for n in range(arguments.clients)]
    while sum(tally.asked.values()) < arguments.clients:
        await asyncio.sleep(0.01)
    print("running", flush=True)
    await asyncio.gather(*clients)
    print(json.dumps(tally.summary()), flush=True)


# ---- gRPC health -----------------------------------------------------------------------------------

def grpc_health(arguments):
    import grpc

    def check(asked, call):
        # HealthCheckRequest {string service = 1} and HealthCheckResponse {status = 1}: SERVING 1, NOT_SERVING 2.
        if asked not in (b"", b"\x0a\x03app"):
            call.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return b"\x08\x02" if os.path.exists(arguments.sick) else b"\x08\x01"

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(
        "grpc.health.v1.Health", {"Check": grpc.unary_unary_rpc_method_handler(check)})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"listening h2c://127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


# ---- what the cases use ----------------------------------------------------------------------------

class Fleet:
    """Services of one kind, each on a port that it keeps over restarts."""

    def __init__(self, t, count=3, each=()):
        from harness import free_port
        self.t = t
        self.log = t.path("executed")
        self.ports = [free_port() for _ in range(count)]
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports]
        self.each = list(each)
        self.children = [self.launch(n) for n in range(count)]
        for child in self.children:
            child.listening(1)

    def launch(self, n, *more):
        return self.t.child([*PYTHON, "serve", "--name", f"s{n}", "--listen", f"127.0.0.1:{self.ports[n]}", "--executed",
                             self.log, "--sick", self.sick(n), *self.each, *more])

    def start(self, n, *more):
        self.children[n] = self.launch(n, *more)
        self.children[n].listening(1)

    def kill(self, n):
        self.children[n].signal(signal.SIGKILL)
        self.children[n].exit_code()

    def sick(self, n):
        return self.t.path(f"s{n}.sick")

    def executed(self):
        """How often each POST was executed."""
        try:
            with open(self.log) as log:
                return collections.Counter(line.split(" ")[0] for line in log)
        except FileNotFoundError:
            return collections.Counter()


class Load:
    """Clients of the proxy in a process of its own, until stop()."""

    def __init__(self, t, proxy, clients=10, posts=0, pause=0.01):
        from harness import wait_until
        self.child = t.child([*PYTHON, "load", "--port", str(proxy.port()), "--clients", str(clients), "--posts",
                              str(posts), "--pause", str(pause)])
        wait_until(lambda: "running" in self.child.lines, "load")

    def stop(self):
        from harness import equal
        self.child.signal(signal.SIGTERM)
        equal(self.child.exit_code(20), 0, f"exit code of the load: {self.child.stderr()[-500:]}")
        return json.loads(self.child.lines[-1])


class Names:
    """A name server: `answers[(name, type)]` are (rdata, TTL); what is not there has no records. Types by number."""
    A, SRV = 1, 33

    def __init__(self, t):
        self.answers = {}
        self.asked = collections.Counter()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"udp://127.0.0.1:{self.socket.getsockname()[1]}"
        self.silent = False
        t.stack.callback(self.close)
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    @staticmethod
    def address_record(address, ttl=1):
        return socket.inet_aton(address), ttl

    @staticmethod
    def service_record(priority, weight, port, target, ttl=1):
        return struct.pack("!HHH", priority, weight, port) + encoded(target), ttl

    def serve(self):
        while True:
            try:
                question, client = self.socket.recvfrom(4096)
            except OSError:
                return
            if not question:
                return
            answer = self.answer(question)
            if not self.silent:
                self.socket.sendto(answer, client)

    def answer(self, question):
        at, labels = 12, []
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode().lower())
            at += 1 + question[at]
        at += 1
        kind = struct.unpack("!H", question[at:at + 2])[0]
        name = ".".join(labels)
        self.asked[name, kind] += 1
        records = self.answers.get((name, kind), [])
        head = question[:2] + struct.pack("!HHHHH", 0x8580, 1, len(records), 0, 0)
        return head + question[12:at + 4] + b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, ttl, len(rdata)) + rdata for rdata, ttl in records)


def encoded(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def main():
    parser = argparse.ArgumentParser()
    kinds = parser.add_subparsers(dest="kind", required=True)
    served = kinds.add_parser("serve")
    served.add_argument("--name", required=True)
    served.add_argument("--listen", default="127.0.0.1:0")
    served.add_argument("--executed")
    served.add_argument("--sick")
    served.add_argument("--delay", type=float, default=0, help="seconds before each answer")
    served.add_argument("--flap", type=float, default=0, help="seconds of being there, and of not being there")
    served.add_argument("--cut", choices=("heads", "bodies"))
    served.add_argument("--every", type=int, default=3, help="which answers --cut cuts")
    loaded = kinds.add_parser("load")
    loaded.add_argument("--port", type=int, required=True)
    loaded.add_argument("--clients", type=int, default=10)
    loaded.add_argument("--posts", type=int, default=0, help="each so many requests one is a POST")
    loaded.add_argument("--pause", type=float, default=0.01, help="seconds between an answer and the next request")
    health = kinds.add_parser("grpc_health")
    health.add_argument("--sick", required=True)
    arguments = parser.parse_args()
    if arguments.kind == "serve":
        asyncio.run(Service(arguments).run())
    elif arguments.kind == "load":
        asyncio.run(load(arguments))
    else:
        grpc_health(arguments)


if __name__ == "__main__":
    main()
