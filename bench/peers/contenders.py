"""The proxies that are measured, each with one worker and the same features: keep-alive upstream connections, no access
log, an ECDSA P-256 certificate, no session resumption."""
import json
import os
import shutil
import signal
import socket
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
CPUS = sorted(os.sched_getaffinity(0))
PROXY_CPU, LOAD_CPU = CPUS[0], CPUS[min(1, len(CPUS) - 1)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write(path, text):
    with open(path, "w") as out:
        out.write(text)
    return path


class Process:
    """A child in a session of its own, with everything that it forks; pinned to one CPU; ended by its own pid."""

    def __init__(self, command, cpu, log, stdout=None):
        def pin():
            os.sched_setaffinity(0, {cpu})
        self.command = command
        self.log = log
        with open(log, "ab") as err:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout or err, stderr=err,
                                          start_new_session=True, preexec_fn=pin)

    def pids(self):
        """The child and its descendants (they share its session)."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                fields = stat_fields(entry)
                if fields and int(fields[3]) == self.child.pid:
                    found.append(int(entry))
        return found

    def cpu_seconds(self):
        ticks = 0
        for pid in self.pids():
            fields = stat_fields(pid)
            if fields:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / TICK

    def rss_bytes(self):
        total = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/statm") as statm:
                    total += int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            except OSError:
                pass
        return total

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(3)
            except subprocess.TimeoutExpired:
                pass
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.child.wait()


def stat_fields(pid):
    """Fields of /proc/PID/stat from the state (the third) on; None when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()
    except OSError:
        return None


def wait_for_port(port, process, seconds=10):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.child.poll() is not None:
            break
        time.sleep(0.02)
    with open(process.log, errors="replace") as log:
        raise RuntimeError(f"{process.command[0]} does not listen on {port}:\n{log.read()[-2000:]}")


class Site:
    """What all contenders are given: where the origin is, the certificate, and a folder to write to."""

    def __init__(self, work, proxy_binary):
        self.work = work
        self.proxy_binary = proxy_binary
        self.key, self.cert = f"{work}/key.pem", f"{work}/cert.pem"
        self.bundle = f"{work}/bundle.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", self.key, "-out", self.cert], check=True, stderr=subprocess.DEVNULL)
        with open(self.cert) as cert, open(self.key) as key:
            write(self.bundle, cert.read() + key.read())
        self.endpoints = []
        self.origin = None

    def start_origin(self, endpoints):
        """nginx with a 1 KiB answer on /1k and a 10 MiB file on /10m, also on 127.1.x.y for the endpoints' row."""
        port = free_port()
        self.endpoints = [f"127.1.{i // 250}.{i % 250 + 1}:{port}" for i in range(endpoints)]
        os.makedirs(f"{self.work}/files", exist_ok=True)
        with open(f"{self.work}/files/10m", "wb") as out:
            out.write(os.urandom(1 << 20) * 10)
        listens = "\n".join(f"    listen {a};" for a in [f"127.0.0.1:{port}"] + self.endpoints)
        conf = write(f"{self.work}/origin.conf", nginx_head(self.work, "origin") + f"""
http {{
  access_log off; default_type application/octet-stream; sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_requests 1000000000; keepalive_timeout 600s;
  server {{
{listens}
    location = /1k {{ return 200 '{"x" * 1024}'; }}
    location = /10m {{ root {self.work}/files; open_file_cache max=10; }}
  }}
}}
""")
        self.port = port
        log = f"{self.work}/origin.log"
        self.origin = Process(["nginx", "-e", log, "-c", conf], LOAD_CPU, log)
        wait_for_port(port, self.origin)


def nginx_head(work, name):
    os.makedirs(f"{work}/{name}", exist_ok=True)
    user = "user root;" if os.geteuid() == 0 else ""
    return f"""{user} daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {work}/{name}.pid;
error_log {work}/{name}.log error;
events {{ worker_connections 16000; }}
"""


def nginx_paths(work, name):
    return "".join(f"  {kind}_temp_path {work}/{name}/{kind};\n"
                   for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))


class Contender:
    """One proxy under one configuration. `kinds` are the listeners that it has: plain, tls."""
    name = ""
    kinds = ("plain", "tls")
    binary = ""
    package = ""

    def __init__(self, site):
        self.site = site
        self.ports = {kind: free_port() for kind in self.kinds}
        self.processes = []

    @classmethod
    def missing(cls, _site):
        return None if shutil.which(cls.binary) else f"no {cls.binary}: apt-get install {cls.package}"

    def command(self, kind):
        raise NotImplementedError

    def start(self):
        for kind in self.start_kinds():
            self.processes.append(Process(self.command(kind), PROXY_CPU, f"{self.site.work}/{self.name}.log"))
        try:
            for port in self.ports.values():
                wait_for_port(port, self.processes[-1])
        except RuntimeError:
            self.stop()
            raise
        return self

    def start_kinds(self):
        return ["all"]  # one process serves them all

    def cpu_seconds(self):
        return sum(p.cpu_seconds() for p in self.processes)

    def rss_bytes(self):
        return sum(p.rss_bytes() for p in self.processes)

    def stop(self):
        for process in self.processes:
            process.stop()
        self.processes = []


class Relay(Contender):
    name = "relay"
    kinds = ("plain",)

    @classmethod
    def missing(cls, _site):
        return None

    def command(self, kind):
        return [f"{self.site.work}/relay", str(self.ports["plain"]), str(self.site.port)]


class Nginx(Contender):
    name = binary = "nginx"
    package = "nginx-light"

    def command(self, kind):
        site = self.site
        conf = write(f"{site.work}/nginx.conf", nginx_head(site.work, "nginx") + f"""
http {{
  access_log off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s;
{nginx_paths(site.work, "nginx")}
  ssl_certificate {site.cert}; ssl_certificate_key {site.key}; ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_tickets off; ssl_session_cache off;
  upstream origin {{ server 127.0.0.1:{site.port}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{self.ports["plain"]} backlog=1024; listen 127.0.0.1:{self.ports["tls"]} ssl http2 backlog=1024;
    server_name localhost;
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr; proxy_max_temp_file_size 0;
    }}
  }}
}}
""")
        return ["nginx", "-e", f"{site.work}/nginx.log", "-c", conf]


class Haproxy(Contender):
    name = binary = package = "haproxy"

    def command(self, kind):
        site = self.site
        conf = write(f"{site.work}/haproxy.cfg", f"""
global
  nbthread 1
  maxconn 8000
  tune.ssl.cachesize 0
  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
defaults
  mode http
  timeout connect 10s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
  http-reuse always
  option forwardfor
frontend f
  bind 127.0.0.1:{self.ports["plain"]}
  bind 127.0.0.1:{self.ports["tls"]} ssl crt {site.bundle} alpn h2,http/1.1
  default_backend b
backend b
  server origin 127.0.0.1:{site.port} pool-max-conn 1024
""")
        return ["haproxy", "-db", "-f", conf]


class Nghttpx(Contender):
    name = binary = "nghttpx"
    package = "nghttp2-proxy"

    def command(self, kind):
        site = self.site
        return ["nghttpx", "--conf=/dev/null", "--workers=1", "--no-ocsp", "--accesslog-file=/dev/null",
                f"--errorlog-file={site.work}/nghttpx.err", f"--pid-file={site.work}/nghttpx.pid",
                f"--frontend=127.0.0.1,{self.ports['plain']};no-tls", f"--frontend=127.0.0.1,{self.ports['tls']}",
                f"--backend=127.0.0.1,{site.port};;proto=http/1.1", "--backend-keep-alive-timeout=300s",
                "--frontend-keep-alive-timeout=300s", "--add-x-forwarded-for", "--no-via", "--no-location-rewrite",
                site.key, site.cert]


class H2o(Contender):
    name = binary = package = "h2o"

    def command(self, kind):
        site = self.site
        user = "user: root\n" if os.geteuid() == 0 else ""
        conf = write(f"{site.work}/h2o.yaml", f"""{user}num-threads: 1
max-connections: 8000
http1-request-timeout: 300
http2-idle-timeout: 300
ssl-session-resumption: {{mode: "off"}}
proxy.timeout.keepalive: 300000
proxy.preserve-host: ON
listen: {{host: 127.0.0.1, port: {self.ports["plain"]}}}
listen:
  host: 127.0.0.1
  port: {self.ports["tls"]}
  ssl: {{certificate-file: {site.cert}, key-file: {site.key}, ocsp-update-interval: 0}}
hosts:
  default:
    paths:
      /:
        proxy.reverse.url: "http://127.0.0.1:{site.port}/"
""")
        return ["h2o", "-m", "worker", "-c", conf]


class Cardea(Contender):
    """One process for each listener: `address` is one, and `insecure_server` says whether it is TLS."""
    name = "cardea"
    other_routes = 0
    all_endpoints = False

    @classmethod
    def missing(cls, site):
        return None if os.access(site.proxy_binary, os.X_OK) else f"no {site.proxy_binary}: build it first"

    def start_kinds(self):
        return list(self.kinds)

    def routes(self):
        to = f"http://127.0.0.1:{self.site.port}"
        if self.all_endpoints:
            to = [f"http://{endpoint}" for endpoint in self.site.endpoints]
        open_route = {"to": to, "allow_public_unauthenticated_access": True}
        for i in range(self.other_routes):
            yield {"from": f"https://host{i // 4}.localhost", "prefix": f"/path{i % 4}", **open_route}
        yield {"from": "https://localhost", **open_route}

    def command(self, kind):
        config = {"address": f"127.0.0.1:{self.ports[kind]}", "workers": 1, "access_log": {"path": "off"},
                  "timeout_idle": "300s", "routes": list(self.routes())}
        if kind == "plain":
            config["insecure_server"] = True
        else:
            config["certificates"] = [{"cert": self.site.cert, "key": self.site.key}]
        path = write(f"{self.site.work}/{self.name}-{kind}.yaml", json.dumps(config))
        return [self.site.proxy_binary, "--config", path]


class Cardea10kRoutes(Cardea):
    """Against plain Cardea this shows what 10,000 routes cost."""
    name = "cardea-10000-routes"
    kinds = ("plain",)
    other_routes = 9999


class Cardea1kEndpoints(Cardea):
    """Against plain Cardea this shows what 1,000 endpoints cost."""
    name = "cardea-1000-endpoints"
    kinds = ("plain",)
    all_endpoints = True


ALL = [Relay, Nginx, Haproxy, Nghttpx, H2o, Cardea, Cardea10kRoutes, Cardea1kEndpoints]
