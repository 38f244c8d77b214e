"""The rows of the table: what is asked of a contender, and what one measurement of it gives."""
import os
import re
import socket
import ssl
import subprocess
import time

from contenders import LOAD_CPU


class Sample:
    """One measurement: CPU time per unit, units per second, p99 latency in milliseconds (None: not measured)."""

    def __init__(self, cost, rate, p99):
        self.cost, self.rate, self.p99 = cost, rate, p99


def run_pinned(command):
    def pin():
        os.sched_setaffinity(0, {LOAD_CPU})
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def wrk(url, seconds):
    """(requests, seconds, p99 in ms); fails when any answer was not a 2xx."""
    out = run_pinned(["wrk", "-t1", "-c64", f"-d{seconds}s", "--latency", url])
    if "Socket errors" in out or "Non-2xx" in out:
        raise RuntimeError(f"wrk {url}:\n{out}")
    count, elapsed = re.search(r"(\d+) requests in ([\d.]+)s", out).groups()
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", out).groups()
    return int(count), float(elapsed), float(value) * SECONDS[unit] * 1e3


def h2load(url, seconds, clients, streams, log):
    if os.path.exists(log):
        os.unlink(log)
    port = url.split(":")[2].split("/")[0]
    out = run_pinned(["h2load", "-t1", f"-c{clients}", f"-m{streams}", f"-D{seconds}", "--npn-list=h2",
                      f"--connect-to=127.0.0.1:{port}", f"--log-file={log}", url])
    good, failed = re.search(r"(\d+) succeeded, (\d+) failed", out).groups()
    if int(failed) or not int(good) or "Application protocol: h2" not in out:
        raise RuntimeError(f"h2load {url}:\n{out}")
    elapsed = float(re.search(r"finished in ([\d.]+)s", out)[1]) if "finished in" in out else float(seconds)
    with open(log) as rows:
        micros = sorted(int(row.split("\t")[2]) for row in rows if row.count("\t") >= 2)
    return int(good), elapsed, micros[len(micros) * 99 // 100] / 1e3 if micros else None


class Throughput:
    """A row whose load tool runs for a while: CPU seconds of the contender divided by what was answered."""

    def __init__(self, name, title, unit, scale, kind, load):
        self.name, self.title, self.unit, self.scale, self.kind, self.load = name, title, unit, scale, kind, load
        self.fresh = False

    def takes(self, contender):
        return self.kind in contender.kinds

    def measure(self, contender, site, seconds):
        port = contender.ports[self.kind]
        self.load(site, port, 1)  # warm: pools, caches, allocators
        before = contender.cpu_seconds()
        count, elapsed, p99 = self.load(site, port, seconds)
        used = contender.cpu_seconds() - before
        return Sample(used / count * self.scale, count / elapsed, p99)


def plain_h1(site, port, seconds):
    return wrk(f"http://localhost:{port}/1k", seconds)


def tls_h1(site, port, seconds):
    return wrk(f"https://localhost:{port}/1k", seconds)


def tls_h2(site, port, seconds):
    return h2load(f"https://localhost:{port}/1k", seconds, 8, 16, f"{site.work}/h2load.log")


def large_h2(site, port, seconds):
    return h2load(f"https://localhost:{port}/10m", seconds, 4, 2, f"{site.work}/h2load.log")


def handshake(site, port, seconds):
    out = run_pinned([f"{site.work}/handshakes", str(port), "/1k", str(seconds), "16"])
    count, failures, _mean, p99 = out.split()
    if int(failures) or not int(count):
        raise RuntimeError(f"handshakes: {count} good, {failures} failed")
    return int(count), seconds, int(p99) / 1e3


class IdleMemory:
    """Resident memory that each further idle TLS connection costs, after one request on it."""
    unit, kind = "KiB", "tls"
    fresh = True  # a process that has served nothing yet
    warm = 200

    def __init__(self, name, title, counted):
        self.name, self.title, self.counted = name, title, counted

    def takes(self, contender):
        return "tls" in contender.kinds

    def measure(self, contender, site, _seconds):
        context = ssl.create_default_context(cafile=site.cert)
        context.set_alpn_protocols(["http/1.1"])
        open_ones = []
        try:
            self.connect(context, contender.ports["tls"], self.warm, open_ones)
            time.sleep(0.3)
            before = contender.rss_bytes()
            started = time.monotonic()
            self.connect(context, contender.ports["tls"], self.counted, open_ones)
            elapsed = time.monotonic() - started
            time.sleep(0.3)
            return self.sample(contender, before, elapsed)
        finally:
            for connection in open_ones:
                connection.close()

    def sample(self, contender, before, elapsed):
        return Sample((contender.rss_bytes() - before) / self.counted / 1024, self.counted / elapsed, None)

    @staticmethod
    def connect(context, port, count, open_ones):
        for _ in range(count):
            raw = socket.create_connection(("127.0.0.1", port), 10)
            connection = context.wrap_socket(raw, server_hostname="localhost")
            open_ones.append(connection)
            connection.sendall(b"GET /1k HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while answer.count(b"x") < 1024:
                more = connection.recv(8192)
                if not more:
                    raise RuntimeError("connection closed in the memory row")
                answer += more
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"memory row: {answer[:100]!r}")


class AtRest(IdleMemory):
    """CPU time while nothing happens on any of them."""
    unit = "ms CPU/s"
    seconds = 10  # a clock tick of the kernel is 10 ms

    def sample(self, contender, before, elapsed):
        used = contender.cpu_seconds()
        time.sleep(self.seconds)
        return Sample((contender.cpu_seconds() - used) / self.seconds * 1e3, self.counted / elapsed, None)


ROWS = [
    Throughput("h1", "HTTP/1.1 keep-alive, 64 connections", "µs CPU/request", 1e6, "plain", plain_h1),
    Throughput("h1-tls", "HTTP/1.1 over TLS, 64 connections", "µs CPU/request", 1e6, "tls", tls_h1),
    Throughput("h2-tls", "HTTP/2 over TLS, 8 × 16 streams, to HTTP/1.1", "µs CPU/request", 1e6, "tls", tls_h2),
    Throughput("handshake", "full TLS handshake + one request", "µs CPU", 1e6, "tls", handshake),
    Throughput("10m", "10 MiB answers, HTTP/2 over TLS", "ms CPU each", 1e3, "tls", large_h2),
    IdleMemory("idle", "memory per idle TLS connection", 2000),
    IdleMemory("idle-10000", "memory per idle TLS connection, of 10,000", 10_000),
    AtRest("rest", "CPU time at rest, 10,000 idle TLS connections", 10_000),
]
