"""Listening sockets that come from others and go to them: a successor at a path, systemd's activation, a shared port."""
import os
import signal
import socket
import threading

from harness import (PYTHON, case, check, equal, free_port, open_route, proxy_environment, run, wait_until, write_config)
from raw import Upstream, Wire
from sockets import Sockets


class Load:
    """Clients that make a connection for each request, all the time: every one must be answered."""

    def __init__(self, port, clients=4):
        self.port, self.failures, self.answered, self.stopping = port, [], 0, False
        self.threads = [threading.Thread(target=self.ask, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def ask(self):
        while not self.stopping:
            try:
                with Wire(self.port) as wire:
                    answer = wire.ask("/load", headers=["Connection: close"])
                    if (answer.status, answer.body) != (200, b"/load"):
                        self.failures.append(f"{answer.status} {answer.body!r}")
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            self.answered += 1

    def more(self, count):
        goal = self.answered + count
        wait_until(lambda: self.answered >= goal, f"{count} more answers", 30)

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(20)


@case()
def a_successor_takes_over(t):
    """No connection is refused or lost while one process follows another; a WebSocket is told to come back soon."""
    upstream, echo, port, path = Upstream(t), Sockets(t), free_port(), t.path("handover")
    config = t.config([open_route(upstream.url), open_route(echo.serve(), host="ws.localhost", allow_websockets=True)],
                      tls=False, address=f"127.0.0.1:{port}", workers=2, drain_timeout="2s")
    first = t.proxy(config, options=["--handover", path])
    load = Load(port)
    load.more(50)
    client = echo.open(first, "one", host="ws.localhost")
    client.check_lives()
    for generation in range(3):
        second = t.proxy(config, options=["--handover", path])
        equal(first.exit_code(), 0, "the predecessor's exit code")
        if generation == 0:
            wait_until(client.ended, "the WebSocket's end")
            equal(client.closed()[0], 1012, "close code")
        load.more(50)
        first = second
    load.stop()
    equal(load.failures, [], "requests that failed")
    check(os.path.exists(path), "the last one waits for its successor")
    first.signal(signal.SIGTERM)
    equal(first.exit_code(), 0, "exit code")
    check(not os.path.exists(path), "the handover's file stays behind")


@case()
def a_successor_that_fails_changes_nothing(t):
    upstream, port, path = Upstream(t), free_port(), t.path("handover")
    config = t.config([open_route(upstream.url)], tls=False, address=f"127.0.0.1:{port}")
    first = t.proxy(config, options=["--handover", path])
    busy = socket.create_server(("127.0.0.1", 0))
    bad = dict(config, http_redirect_addr=f"127.0.0.1:{busy.getsockname()[1]}")
    file = write_config(t.path("bad.yaml"), bad)
    failed = run([t.suite.binary, "--config", file, "--handover", path], expect=1, env=proxy_environment())
    check("another process" in failed.err or "choose another address" in failed.err, failed.err)
    check(first.running(), "the predecessor has gone")
    for _ in range(20):
        with Wire(port) as wire:
            equal(wire.ask("/still").body, b"/still", "body")
    busy.close()
    t.proxy(config, options=["--handover", path])
    equal(first.exit_code(), 0, "exit code")
    with Wire(port) as wire:
        equal(wire.ask("/next").body, b"/next", "body")


@case()
def no_predecessor(t):
    path = t.path("handover")
    with open(path, "w") as file:
        file.write("somebody's")
    config = write_config(t.path("config.yaml"), t.config([open_route("http://127.0.0.1:1")], tls=False))
    failed = run([t.suite.binary, "--config", config, "--handover", path], expect=1, env=proxy_environment())
    check("handover" in failed.err and path in failed.err, failed.err)
    with open(path) as file:
        equal(file.read(), "somebody's", "the file")


LAUNCH = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])"""


def activated(t, path, held):
    """The proxy as systemd starts it, with a listening socket as descriptor 3."""
    command = [PYTHON, "-c", LAUNCH, str(held.fileno()), t.suite.binary, "--config", path]
    return t.child(command, proxy_environment(), pass_fds=[held.fileno()])


@case()
def systemd_keeps_the_socket(t):
    """Clients that come before the first process, or between two, wait in the queue and are answered."""
    upstream = Upstream(t)
    held = socket.create_server(("127.0.0.1", 0), backlog=64)
    port = held.getsockname()[1]
    path = write_config(t.path("config.yaml"), t.config([open_route(upstream.url)], tls=False, workers=2,
                                                         address=f"127.0.0.1:{port}"))
    for turn in range(2):
        early = [Wire(port) for _ in range(5)]
        for wire in early:
            wire.send(b"GET /early HTTP/1.1\r\nHost: app.localhost\r\n\r\n")
        proxy = activated(t, path, held)
        equal(proxy.listening(1), [f"http://127.0.0.1:{port}"], "where it listens")
        for wire in early:
            equal(wire.answer().body, b"/early", "body")
            wire.__exit__()
        proxy.signal(signal.SIGTERM)
        equal(proxy.exit_code(), 0, "exit code")
    held.close()


@case()
def a_shared_port(t):
    """reuse_port lets two processes have one port; without it the second says what is wrong."""
    upstream, port = Upstream(t), free_port()
    config = t.config([open_route(upstream.url)], tls=False, address=f"127.0.0.1:{port}")
    first = t.proxy(dict(config, reuse_port=True))
    file = write_config(t.path("alone.yaml"), config)
    refused = run([t.suite.binary, "--config", file], expect=1, env=proxy_environment())
    check(f"127.0.0.1:{port}" in refused.err and "choose another address" in refused.err, refused.err)
    t.proxy(dict(config, reuse_port=True))
    for _ in range(20):
        with Wire(port) as wire:
            equal(wire.ask("/shared").body, b"/shared", "body")
    check(first.running(), "the first one ended")
