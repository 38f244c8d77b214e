"""What the demo consists of: certificates, services, the proxy, the ports between them, and the words for a terminal."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import people

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PROXY = os.path.join(ROOT, "build-release/capi/demo/cardea-proxy")
PORTS = {"tls": 8443, "plain": 8080, "one": 9001, "two": 9002, "admin": 9901}  # as in example.yaml


def color(code, text):
    return f"\033[{code}m{text}\033[0m" if sys.stdout.isatty() else text


def say(text=""):
    print(text, flush=True)


def stop(text):
    sys.exit(color(31, text))


def free_ports(wanted):
    """For each name its wanted port where that is free, else any. All are held until all are found: none comes twice."""
    found = {}
    with contextlib.ExitStack() as probes:
        for name, port in wanted.items():
            for candidate in (port, 0):
                probe = probes.enter_context(socket.socket())
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with contextlib.suppress(OSError):
                    probe.bind(("127.0.0.1", candidate))
                    found[name] = probe.getsockname()[1]
                    break
            else:
                stop("no free port on 127.0.0.1")
    return found


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition, seconds=10):
    """Polls, at most so long; what did not come true is found wrong by the step that follows."""
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)


def make_certificates(folder):
    """A CA of our own, and a certificate for localhost and what is below it; kept for the next time."""
    os.makedirs(folder, exist_ok=True)
    at = {name: os.path.join(folder, name) for name in
          ("ca.pem", "ca.key", "localhost.pem", "localhost.key", "localhost.csr", "localhost.ext")}
    fresh = subprocess.run(["openssl", "x509", "-checkend", "86400", "-noout", "-in", at["localhost.pem"]],
                           capture_output=True)
    if fresh.returncode == 0:
        return at["ca.pem"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    with open(at["localhost.ext"], "w") as extensions:
        extensions.write("subjectAltName=DNS:localhost,DNS:*.localhost,DNS:app.localhost,IP:127.0.0.1\n"
                         "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n")
    for command in (["req", "-x509", *key, "-days", "365", "-subj", "/CN=Cardea demo CA",
                     "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
                     "-keyout", at["ca.key"], "-out", at["ca.pem"]],
                    ["req", *key, "-subj", "/CN=localhost", "-keyout", at["localhost.key"], "-out", at["localhost.csr"]],
                    ["x509", "-req", "-in", at["localhost.csr"], "-CA", at["ca.pem"], "-CAkey", at["ca.key"],
                     "-CAcreateserial", "-days", "365", "-extfile", at["localhost.ext"], "-out", at["localhost.pem"]]):
        done = subprocess.run(["openssl", *command], capture_output=True, text=True)
        if done.returncode:
            stop(f"openssl {command[0]}: {done.stderr}")
    return at["ca.pem"]


class Child:
    """A process of the demo. Its output is read to the end, so that it never waits for us."""

    def __init__(self, command, folder, listeners):
        self.name = os.path.basename(command[0])
        # Ctrl-C at the terminal is for us alone: we end our children in order.
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, cwd=folder, text=True, start_new_session=True)
        self.lines, self.changed, self.on_line, self.ended = [], threading.Condition(), lambda line: None, False
        threading.Thread(target=self.read, daemon=True).start()
        try:
            with self.changed:
                self.changed.wait_for(lambda: self.count() >= listeners or self.ended, 20)
            if self.count() < listeners:
                stop(f"{' '.join(command)} did not start:\n" + "\n".join(self.lines))
        except BaseException:  # Ctrl-C too
            self.end(1)
            raise

    def count(self):
        return sum(line.startswith("listening ") for line in self.lines)

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines = (self.lines + [line.rstrip("\n")])[-200:]
                self.changed.notify_all()
            self.on_line(line.rstrip("\n"))
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def said(self, line):
        return line in self.lines

    def end(self, seconds):
        """SIGTERM, then SIGKILL; gives the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Demo:
    def __init__(self, folder, any_ports):
        self.folder = folder
        self.ca = make_certificates(os.path.join(folder, "certificates"))
        self.key = people.make_keys(os.path.join(folder, "certificates"))
        self.ports = free_ports({name: 0 if any_ports else port for name, port in PORTS.items()})
        with open(os.path.join(HERE, "example.yaml")) as example:
            config = example.read()
        for name, port in PORTS.items():
            config = config.replace(f"127.0.0.1:{port}", f"127.0.0.1:{self.ports[name]}")
        self.config = os.path.join(folder, "example.yaml")
        with open(self.config, "w") as out:
            out.write(config)
        self.services, self.proxy = {}, None

    def __enter__(self):
        try:
            for name in ("one", "two"):
                self.start_service(name)
            self.proxy = Child([PROXY, "--config", self.config], self.folder, 2)
        except BaseException:
            self.end(1)
            raise
        return self

    def __exit__(self, *_):
        self.end(3)

    def start_service(self, name):
        self.services[name] = Child(["/usr/bin/python3", "-B", os.path.join(HERE, "services.py"), "--name", name,
                                     "--listen", f"127.0.0.1:{self.ports[name]}"], self.folder, 1)

    def end(self, seconds):
        """The proxy first, so that it can finish what it began; gives its exit code."""
        code = self.proxy.end(seconds) if self.proxy else None
        for service in self.services.values():
            service.end(5)
        return code

    def curl(self, *arguments, path="/", plain=False):
        """The curl line for one of the addresses."""
        scheme, port = ("http", self.ports["plain"]) if plain else ("https", self.ports["tls"])
        return ["curl", *self.common(port), *arguments, f"{scheme}://app.localhost:{port}{path}"]

    def bearer(self, user):
        """The user's token, in a file that curl reads: fresh, and not on anybody's screen."""
        path = os.path.join(self.folder, user)
        with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
            out.write(f"Authorization: Bearer {people.token(self.key, user)}\n")
        return "--header", f"@{path}"

    @staticmethod
    def direct():
        return ["--noproxy", "*"] if any(name.lower().endswith("_proxy") for name in os.environ) else []

    def common(self, port):
        return ["-sS", *self.direct(), "--cacert", self.ca, "--resolve", f"app.localhost:{port}:127.0.0.1"]

    def shown(self, command):
        """The command without what all of them have."""
        hidden = [word for name in ("tls", "plain") for word in self.common(self.ports[name])]
        return quoted([word for word in command if word not in hidden])


def quoted(command):
    return " ".join(f"'{word}'" if re.search(r"[^\w@%+=:,./-]", word) else word for word in command)
