"""The tour: requests of every kind, what came of them, and whether that is right."""
import asyncio
import os
import re
import signal
import subprocess
import tempfile
import time

import people
from stage import accepts, color, quoted, say, wait_until


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

    def ask(self, *arguments, bare=False, **where):
        """Shows a request and its answer, and gives the answer. `bare`: the arguments are all there is."""
        command = ["curl", *self.demo.direct(), "-sS", *arguments] if bare else self.demo.curl(*arguments, **where)
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

    def permission(self):
        self.title("Who may pass, and for how long: two WebSockets, and an edit of the policy")
        answer = self.ask("--include", path="/live/")
        self.judge(answer.startswith("HTTP/2 401") and "www-authenticate" in answer, "401: nobody is signed in")
        for user, status in (("mallory", "403"), ("anna", "200")):
            answer = self.ask("--include", *self.demo.bearer(user), path="/live/")
            self.judge(answer.startswith(f"HTTP/2 {status}"), f"{status} for {user}")
        asyncio.run(self.two_users(people.Room(self.demo, lambda line: say("  " + line))))
        answer = self.ask(f"http://127.0.0.1:{self.demo.ports['admin']}/exchanges", bare=True)
        self.judge('"count":0' in answer, "the admin interface lists nobody any more")

    async def two_users(self, room):
        try:
            for user in ("anna", "berta"):
                await room.enter(user)
            good = [await room.echo(user, f"hello from {user}") for user in ("anna", "berta")]
            self.judge(all(good), "both are let in")
            room.allow("berta")
            began = time.monotonic()
            code = await room.closed("anna", 5)
            took = time.monotonic() - began
            self.judge(code == 1008 and took < 2.5, f"one ends with 1008, {took:.1f} s after the edit")
            self.judge(await room.echo("berta", "still here"), "the other goes on")
        except Exception as error:  # whatever it is, it is no answer
            self.judge(False, f"{type(error).__name__}: {error}")
        await room.leave()
        wait_until(lambda: '"count":0' in self.admin("/exchanges"))

    def admin(self, path):
        command = ["curl", "-s", "--noproxy", "*", f"http://127.0.0.1:{self.demo.ports['admin']}{path}"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout

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
        for part in (self.both_protocols, self.decisions, self.headers, self.bodies, self.balancing, self.permission,
                     self.drain):
            part()
        say()
        if self.wrong:
            say(color("1;31", f"{self.wrong} answers were wrong."))
        else:
            say(color("1;32", "Every answer was right."))
        return 1 if self.wrong else 0
