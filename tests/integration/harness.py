"""What every case stands on: the case list, the proxy under test, services behind it, certificates, and waiting."""
import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PYTHON = "/usr/bin/python3"
SANITIZER = re.compile(r"(AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehaviorSanitizer|runtime error:)[^\n]*")
CASES = []  # (name, function, needed programs)


class Failure(Exception):
    """A case's expectation does not hold; the text says which."""


class Skipped(Exception):
    """A case cannot run here; the text says what it lacks."""


def case(*programs):
    """Registers a case. It is skipped, and reported so, where one of `programs` is not installed."""
    def register(function):
        area = function.__module__.removeprefix("cases_")
        CASES.append((f"{area}.{function.__name__}", function, programs))
        return function
    return register


def check(holds, why):
    if not holds:
        raise Failure(why() if callable(why) else why)


def equal(found, expected, what):
    check(found == expected, f"{what}: expected {expected!r}, found {found!r}")


def wait_until(condition, what, seconds=10):
    """Polls until `condition()` is true and gives its value."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise Failure(f"waited {seconds} s for: {what() if callable(what) else what}")
        time.sleep(0.01)


def program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/go/bin")


def run(command, timeout=60, stdin=None, expect=0, env=None):
    """Runs a client to its end; gives its standard output (bytes are decoded leniently)."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, env=env)
    except subprocess.TimeoutExpired:
        raise Failure(f"{command[0]} did not end in {timeout} s: {' '.join(command)}")
    out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    if expect is not None and done.returncode != expect:
        raise Failure(f"{' '.join(command)}: exit {done.returncode}: {err.strip()[-600:]} {out.strip()[-300:]}")
    return Output(done.returncode, out, err)


class Output(str):
    """A client's standard output, with its exit code and standard error beside it."""

    def __new__(cls, code, out, err):
        self = super().__new__(cls, out)
        self.code, self.err = code, err
        return self


class Child:
    """A process that the suite started: its output lines are collected, and it is ended by its own pid."""

    def __init__(self, command, env=None, pass_fds=()):
        self.command = command
        self.lines, self.errors = [], []
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, env=env, pass_fds=pass_fds)
        self.readers = [threading.Thread(target=self.collect, args=pipe, daemon=True)
                        for pipe in ((self.child.stdout, self.lines), (self.child.stderr, self.errors))]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def collect(pipe, lines):
        for line in pipe:
            lines.append(line.decode("utf-8", "replace").rstrip("\n"))

    @property
    def pid(self):
        return self.child.pid

    def stderr(self):
        return "\n".join(self.errors)

    def running(self):
        return self.child.poll() is None

    def listening(self, count, seconds=20):
        """The first `count` addresses that it says it listens on."""
        def said():
            found = [line.split(" ", 1)[1] for line in list(self.lines) if line.startswith("listening ")]
            if len(found) >= count:
                return found
            check(self.running(), lambda: f"{self.command[0]} ended with {self.exit_code()}: {self.stderr()[-1500:]}")
            return None
        return wait_until(said, f"{count} «listening» lines of {self.command[0]}", seconds)

    def signal(self, number):
        self.child.send_signal(number)

    def exit_code(self, seconds=10):
        try:
            code = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.command[0]} did not end within {seconds} s")
        for reader in self.readers:
            reader.join(5)
        return code

    def kill(self):
        if self.running():
            self.child.kill()
        self.child.wait()


def proxy_environment():
    env = dict(os.environ)
    # A small quarantine: memory bounds are part of what is tested, also in the sanitizer build.
    env["ASAN_OPTIONS"] = "quarantine_size_mb=4:detect_leaks=1:" + env.get("ASAN_OPTIONS", "")
    env["UBSAN_OPTIONS"] = "print_stacktrace=1:" + env.get("UBSAN_OPTIONS", "")
    return env


class Proxy(Child):
    """cardea-proxy under one configuration file."""

    def __init__(self, binary, path, listeners, options=(), under=()):
        self.path = path
        super().__init__([*under, binary, "--config", path, *options], proxy_environment())
        self.addresses = self.listening(listeners)
        self.at_start = self.descriptors()

    def port(self, index=0):
        return int(self.addresses[index].rsplit(":", 1)[1].rstrip("/"))

    def rss(self):
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def reload(self, config):
        write_config(self.path, config)
        self.signal(signal.SIGHUP)

    def verdict(self):
        """Ends the proxy and says what was wrong with its end; None when nothing was."""
        if self.running():
            self.signal(signal.SIGTERM)
            try:
                self.child.wait(2)
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGTERM)  # the second one ends at once
        try:
            code = self.exit_code(20)
        except Failure as failure:
            self.kill()
            return str(failure)
        report = SANITIZER.search(self.stderr())
        if report:
            at = self.stderr().index(report[0])
            return f"sanitizer: {self.stderr()[at:at + 1500]}"
        return None if code == 0 else f"the proxy ended with {code}: {self.stderr()[-1500:]}"


def write_config(path, config):
    """JSON is YAML, so dictionaries are written as they are. Written beside and renamed: a watcher never sees a half."""
    text = config if isinstance(config, str) else json.dumps(config, indent=1)
    with open(path + ".new", "w") as out:
        out.write(text)
    os.rename(path + ".new", path)
    return path


class Case:
    """What one case is given: a folder of its own, and everything that it starts is ended with it."""

    def __init__(self, suite, name):
        self.suite = suite
        self.certs = suite.certs
        self.folder = tempfile.mkdtemp(prefix=name.replace(".", "-") + ".", dir=suite.folder)
        self.stack = contextlib.ExitStack()
        self.proxies = []
        self.started = 0

    def close(self):
        """Ends everything; gives the complaints about the proxies' ends."""
        complaints = [p.verdict() for p in self.proxies]
        self.stack.close()
        return [c for c in complaints if c]

    def path(self, name):
        return os.path.join(self.folder, name)

    def config(self, routes, tls=True, **keys):
        config = {"address": "127.0.0.1:0", "access_log": {"path": self.path("access.log")}, "routes": routes}
        if tls:
            config["certificates"] = [self.certs.pair("app")]
        else:
            config["insecure_server"] = True
        config.update(keys)
        return config

    def proxy(self, config, listeners=1, options=(), under=()):
        """`under` is a command that becomes the proxy."""
        self.started += 1
        path = write_config(self.path(f"proxy{self.started}.yaml"), config)
        proxy = Proxy(self.suite.binary, path, listeners, options, under)
        self.proxies.append(proxy)
        return proxy

    def access_log(self, *events):
        """Records of what is over; or of these events."""
        with open(self.path("access.log")) as log:
            whole = [json.loads(line) for line in log if line.endswith("\n")]  # the last one may be half written
        return [line for line in whole if line["event"] in (events or ("end",))]

    def check_config(self, text):
        """«--check» on a configuration: (exit code, standard error with the folder taken off)."""
        path = write_config(self.path("checked.yaml"), text)
        done = run([self.suite.binary, "--config", path, "--check"], expect=None, env=proxy_environment())
        return done.code, done.err.replace(self.folder + "/", "")

    def child(self, command, env=None, pass_fds=()):
        child = Child(command, env, pass_fds)
        self.stack.callback(child.kill)
        return child

    def service(self, name="one", listen="127.0.0.1:0", tls=None, client_ca=None):
        """The sample service in a process of its own; `.url` is where it is."""
        command = [PYTHON, os.path.join(ROOT, "capi/demo/services.py"), "--name", name, "--listen", listen]
        if tls:
            pair = self.certs.pair(tls)
            command += ["--tls", pair["cert"], pair["key"]]
        if client_ca:
            command += ["--client-ca", client_ca]
        service = self.child(command)
        service.url = service.listening(1)[0]
        return service

    def nghttpd(self, tls=None, arguments=()):
        """An HTTP/2 service that sends uploads back; `.url` is where it is."""
        if not program("nghttpd"):
            raise Skipped("no nghttpd")
        port = free_port()
        command = [program("nghttpd"), "--address=127.0.0.1", "--echo-upload", f"--htdocs={self.suite.files}", *arguments]
        if tls:
            pair = self.certs.pair(tls)
            command += [str(port), pair["key"], pair["cert"]]
        else:
            command += ["--no-tls", str(port)]
        server = self.child(command)
        server.url = f"{'https' if tls else 'h2c'}://127.0.0.1:{port}"
        wait_until(lambda: accepts(port), "nghttpd to listen")
        return server

    def curl(self, *arguments, proxy=None, host="app.localhost", path="/", port=None, scheme=None, expect=0, timeout=60):
        """curl to one of the proxy's hosts, with the suite's CA."""
        scheme = scheme or proxy.addresses[0].split(":")[0]
        port = port or proxy.port()
        command = ["curl", "-sS", "--cacert", self.certs.ca, "--max-time", str(timeout - 1), "--noproxy", "*",
                   "--resolve", f"{host}:{port}:127.0.0.1", *arguments, f"{scheme}://{host}:{port}{path}"]
        return run(command, timeout, expect=expect)

    def status(self, *arguments, **where):
        return int(self.curl("-o", "/dev/null", "-w", "%{http_code}", *arguments, **where))


GIVEN, GIVEN_LOCK = set(), threading.Lock()


def free_port():
    """A port that nobody gets by chance, also while nothing listens there: given once, and outside of what port 0 gives."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as told:
        first = int(told.read().split()[0])
    with GIVEN_LOCK:
        while True:
            port = random.randrange(10_000, first) if first > 12_000 else 0
            with socket.socket() as probe:
                with contextlib.suppress(OSError):
                    probe.bind(("127.0.0.1", port))
                    port = probe.getsockname()[1]
                    if port not in GIVEN:
                        GIVEN.add(port)
                        return port


def accepts(port, host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        return probe.connect_ex((host, port)) == 0


def open_route(to, host="app.localhost", **keys):
    return {"from": f"https://{host}", "to": to, "allow_public_unauthenticated_access": True, **keys}


class Certificates:
    """A CA of our own and the certificates that the cases name; made on first use."""
    NAMES = {
        "app": ("ec", "DNS:app.localhost,DNS:127.0.0.1.localhost,IP:127.0.0.1"),
        "app-rsa": ("rsa", "DNS:app.localhost,DNS:rsa.localhost"),
        "wild": ("ec", "DNS:*.wild.localhost"),
        "exact": ("ec", "DNS:exact.wild.localhost"),
        "service": ("ec", "DNS:service.localhost,DNS:localhost,IP:127.0.0.1"),
        "client": ("ec", "DNS:client.localhost"),
    }

    def __init__(self, folder):
        self.folder = folder
        self.lock = threading.Lock()
        self.ca, self.ca_key = f"{folder}/ca.pem", f"{folder}/ca.key"
        self.authority(self.ca, self.ca_key)

    @staticmethod
    def authority(cert, key):
        quiet(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
               "-subj", "/CN=Cardea test CA", "-addext", "basicConstraints=critical,CA:TRUE",
               "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", key, "-out", cert])

    def pair(self, name):
        cert = f"{self.folder}/{name}.pem"
        with self.lock:
            if not os.path.exists(cert):
                self.issue(name, *self.NAMES[name])
        return {"cert": cert, "key": f"{self.folder}/{name}.key"}

    def issue(self, name, kind, names, folder=None, days=30):
        """A certificate that the CA signs; a fresh serial number each time."""
        base = f"{folder or self.folder}/{name}"
        new_key = ["-newkey", "rsa:2048"] if kind == "rsa" else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        quiet(["openssl", "req", *new_key, "-nodes", "-subj", f"/CN={name}", "-keyout", base + ".key.new",
               "-out", base + ".csr"])
        with open(base + ".ext", "w") as ext:
            ext.write(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n"
                      "extendedKeyUsage=serverAuth,clientAuth\n")
        quiet(["openssl", "x509", "-req", "-in", base + ".csr", "-CA", self.ca, "-CAkey", self.ca_key,
               "-set_serial", "0x" + os.urandom(8).hex(), "-days", str(days), "-extfile", base + ".ext",
               "-out", base + ".pem.new"])
        os.rename(base + ".key.new", base + ".key")
        os.rename(base + ".pem.new", base + ".pem")
        return {"cert": base + ".pem", "key": base + ".key"}


def quiet(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")


