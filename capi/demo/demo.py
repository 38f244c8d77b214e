"""What `capi/demo/run` runs when everything is built: certificates, two services, the proxy; then curl lines to try, or
the tour that tries them by itself."""
import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PROXY = os.path.join(ROOT, "build-release/capi/demo/cardea-proxy")
PORTS = {"tls": 8443, "plain": 8080, "one": 9001, "two": 9002}  # as in example.yaml
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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


def only_one(folder):
    """Holds the folder for this process until it ends, however it ends."""
    lock = open(os.path.join(folder, "lock"), "a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        stop(f"the demo runs already: process {lock.read().strip() or 'unknown'}; end it with Ctrl-C where it runs. "
             "(--tour may run beside it.)")
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


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

    def common(self, port):
        direct = ["--noproxy", "*"] if any(name.lower().endswith("_proxy") for name in os.environ) else []
        return ["-sS", *direct, "--cacert", self.ca, "--resolve", f"app.localhost:{port}:127.0.0.1"]

    def shown(self, command):
        """The command without what all of them have."""
        hidden = [word for name in ("tls", "plain") for word in self.common(self.ports[name])]
        return quoted([word for word in command if word not in hidden])


def quoted(command):
    return " ".join(f"'{word}'" if re.search(r"[^\w@%+=:,./-]", word) else word for word in command)


class Tour:
    def __init__(self, demo):
        self.demo = demo
        self.wrong = 0

    def title(self, text):
        say()
        say(color("1;36", text))

    def judge(self, right, text):
        say((color(32, "  right: ") if right else color(31, "  WRONG: ")) + text)
        self.wrong += not right

    def ask(self, *arguments, **where):
        """Shows a request and its answer, and gives the answer."""
        command = self.demo.curl(*arguments, **where)
        say(color(2, "$ ") + self.demo.shown(command))
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, errors="replace")
        answer = (done.stdout + done.stderr).replace("\r\n", "\n").strip("\n")
        lines = answer.split("\n")
        for line in lines[:24] + (["…"] if len(lines) > 24 else []):
            say("  " + line)
        return answer

    def both_protocols(self):
        self.title("HTTP/1.1, and HTTP/2, over TLS")
        answer = self.ask("--http1.1", "--include", path="/hello")
        self.judge(answer.startswith("HTTP/1.1 200") and "hello from" in answer, "a service answered over HTTP/1.1")
        answer = self.ask("--http2", "--include", path="/hello")
        good = answer.startswith("HTTP/2 200") and "hello from" in answer
        self.judge(good, "and over HTTP/2; the service still speaks HTTP/1.1")

    def decisions(self):
        self.title("A path that nobody may see, whatever way it is spelt")
        for path in ("/admin", "/hello/%2e%2e/admin"):
            answer = self.ask("--include", "--path-as-is", path=path)
            self.judge(bool(re.match(r"HTTP/2 403", answer)), "403: a route without a policy is closed")
        self.title("A redirect, an answer of the proxy's own, and the plain port")
        answer = self.ask("--include", path="/docs?page=1")
        good = answer.startswith("HTTP/2 302") and f"localhost:{self.demo.ports['tls']}/manual" in answer
        self.judge(good, "302 to /manual")
        answer = self.ask(path="/robots.txt")
        self.judge(answer == "User-agent: *\nDisallow: /", "no service was asked")
        answer = self.ask("--include", path="/hello", plain=True)
        self.judge(bool(re.match(r"HTTP/1.1 301", answer)) and "https://app.localhost" in answer, "301 to https")

    def headers(self):
        self.title("What a service sees: no prefix, one header more, one less, and no forged identity")
        answer = self.ask("--header", "X-Secret: 1", "--header", "X-Pomerium-Claim-Email: root@example.com",
                          path="/first/echo?q=1")
        good = '"target": "/echo?q=1"' in answer and "x-secret" not in answer.lower() and "root@" not in answer
        self.judge(good and "x-via-route" in answer.lower(), "/echo, with X-Via-Route and without X-Secret and the claim")

    def bodies(self):
        self.title("Eight mebibytes up, a hundred down")
        with tempfile.NamedTemporaryFile() as body:
            body.write(os.urandom(8 << 20))
            body.flush()
            sha = subprocess.run(["sha256sum", body.name], capture_output=True, text=True).stdout.split()[0]
            answer = self.ask("--data-binary", f"@{body.name}", path="/upload")
            self.judge(answer == f"{8 << 20} {sha}", "the service got every byte: the SHA-256 is the file's")
        answer = self.ask("--output", "/dev/null", "--write-out", "%{size_download}",
                          path=f"/bytes?size={100 << 20}")
        self.judge(answer == str(100 << 20), "all of it arrived")
        answer = self.ask("--no-buffer", path="/stream?count=3&every=0.1")
        self.judge(answer.count("line ") == 3, "a stream passes line by line")

    def names(self, path):
        done = subprocess.run(self.demo.curl(path=path), capture_output=True, text=True, timeout=60)
        return re.findall(r"hello from (\w+)", done.stdout), done

    def balancing(self):
        self.title("Two services in turn")
        names, _ = self.names("/turn?[1-10]")
        say(color(2, "$ ") + self.demo.shown(self.demo.curl(path="/turn?[1-10]")))
        say("  " + " ".join(names))
        self.judge(names.count("one") == names.count("two") == 5, "five each")
        self.title("One service is killed, and nobody notices")
        two = self.demo.services["two"]
        two.process.kill()
        two.process.wait()
        say(color(2, f"$ kill -9 {two.process.pid}"))
        names, done = self.names("/turn?[1-20]")
        say(color(2, "$ ") + self.demo.shown(self.demo.curl(path="/turn?[1-20]")))
        say("  " + " ".join(names) + done.stderr)
        self.judge(names == ["one"] * 20 and done.returncode == 0, "twenty answers to twenty requests, all from the one that lives")
        self.demo.start_service("two")
        names, _ = self.names("/turn?[1-20]")
        self.judge(len(names) == 20 and "two" in names, "it is back, and gets its share again")

    def drain(self):
        self.title("SIGTERM while an answer is awaited: it arrives, nobody new is let in, and the proxy ends by itself")
        slow = subprocess.Popen(self.demo.curl("--include", path="/slow?seconds=2"), stdout=subprocess.PIPE, text=True)
        say(color(2, "$ ") + self.demo.shown(slow.args) + " &")
        wait_until(lambda: any(service.said("slow request") for service in self.demo.services.values()))
        say(color(2, f"$ kill -TERM {self.demo.proxy.process.pid}"))
        self.demo.proxy.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not accepts(self.demo.ports["tls"]))
        refused = subprocess.run(self.demo.curl(path="/late"), capture_output=True, text=True)
        say(color(2, "$ ") + self.demo.shown(refused.args))
        say("  " + refused.stderr.strip())
        self.judge(refused.returncode == 7, "no new connection")
        answer = slow.communicate(timeout=30)[0].replace("\r\n", "\n").strip()
        say("  " + answer.replace("\n", "\n  "))
        self.judge(answer.startswith("HTTP/2 200") and "took its time" in answer, "what had begun was finished")
        try:
            code = self.demo.proxy.process.wait(20)
        except subprocess.TimeoutExpired:
            code = None
        self.judge(code == 0, f"exit code {code}")

    def walk(self):
        say(f"Each curl has these too: {quoted(self.demo.common(self.demo.ports['tls']))}")
        for part in (self.both_protocols, self.decisions, self.headers, self.bodies, self.balancing, self.drain):
            part()
        say()
        if self.wrong:
            say(color("1;31", f"{self.wrong} answers were wrong."))
        else:
            say(color("1;32", "Every answer was right."))
        return 1 if self.wrong else 0


def serve(demo):
    ports = demo.ports
    say(color("1;32", "Cardea serves."))
    say(f"""
  https://app.localhost:{ports['tls']}
      two services in turn, over HTTP/2 and HTTP/1.1
  https://localhost:{ports['tls']}
      the same, for tools that look names up in the hosts file: h2load, wrk
  http://app.localhost:{ports['plain']}
      redirects to https://app.localhost on port 443, where https is in the world
  http://127.0.0.1:{ports['one']} and http://127.0.0.1:{ports['two']}
      the services themselves
  {demo.config}
      the configuration: change it, and it is applied
  {demo.folder}/access.log
      one line for each exchange

Try:""")
    for command in (demo.curl("--include"), demo.curl("--http1.1", "--include", path="/echo?q=1"),
                    demo.curl("--include", path="/admin"), demo.curl("--include", path="/docs"),
                    demo.curl(path="/turn?[1-6]"), demo.curl("--no-buffer", path="/stream"),
                    demo.curl("--data-binary", f"@{demo.config}", path="/upload"), demo.curl("--include", plain=True)):
        say("  " + quoted(command))
    say("\nCtrl-C drains and ends; a second one does not wait.")
    asked = threading.Event()

    def on_signal(*_):
        if asked.is_set():  # for the second time: the proxy does not wait for anybody then
            demo.proxy.process.send_signal(signal.SIGTERM)
        asked.set()
    for number in ENDING:
        signal.signal(number, on_signal)
    demo.proxy.on_line = lambda line: say("  " + line)
    while not asked.wait(0.2):
        if demo.proxy.process.poll() is not None:
            stop("the proxy ended by itself")
    return demo.end(35)


def leave(number, _):
    sys.exit(128 + number)  # by way of everybody's clean-up


def main():
    if not os.access(PROXY, os.X_OK):
        stop(f"no {PROXY}: capi/demo/run builds it")
    for number in ENDING:
        signal.signal(number, leave)
    if "--tour" in sys.argv[1:]:
        with tempfile.TemporaryDirectory(prefix="cardea-tour.") as folder, Demo(folder, any_ports=True) as demo:
            return Tour(demo).walk()
    folder = os.path.join(ROOT, "build-release/demo")
    os.makedirs(folder, exist_ok=True)
    with only_one(folder), Demo(folder, any_ports=False) as demo:
        return serve(demo)


if __name__ == "__main__":
    sys.exit(main())
