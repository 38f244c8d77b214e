"""The README's programs and the example, as they stand: started, used by real clients, ended."""

import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import PATIENCE, ROOT, ThreadService, certificate

EXAMPLES = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.S | re.M)


class Program:
    """Runs in a folder of its own, with the ports changed for free ones."""

    def __init__(self, code, url="", arguments=()):
        self.code = code.replace("127.0.0.1:8080", "127.0.0.1:0").replace("http://127.0.0.1:9001", url)
        self.arguments = arguments

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        for source, name in zip(certificate("app.localhost"), ("app.pem", "app.key")):
            shutil.copy(source, Path(self.folder.name, name))
        script = Path(self.folder.name, "program.py")
        script.write_text(self.code)
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.process = subprocess.Popen([sys.executable, "-B", str(script), *self.arguments], cwd=self.folder.name, env=env,
                                        # Shells ignore SIGINT for what runs behind them.
                                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
        line = self.process.stdout.readline()
        found = re.search(r"serving .*?127\.0\.0\.1:(\d+)", line)
        if not found:
            raise AssertionError(f"{line!r}\n{self.process.communicate(timeout=PATIENCE)[1]}")
        self.port = int(found[1])
        return self

    def __exit__(self, *arguments):
        self.process.kill()
        self.process.communicate()
        self.folder.cleanup()

    def connect(self, tls=False):
        if not tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        context = ssl.create_default_context(cafile=str(Path(self.folder.name, "app.pem")))
        connection = http.client.HTTPSConnection("app.localhost", self.port, timeout=PATIENCE, context=context)
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        connection.sock = context.wrap_socket(plain, server_hostname="app.localhost")
        return connection

    def get(self, path="/", method="GET", tls=False, **headers):
        connection = self.connect(tls)
        try:
            connection.request(method, path, headers={"Host": "app.localhost", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def end(self, how=signal.SIGINT):
        """Its exit status and what it wrote."""
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


class Readme(unittest.TestCase):
    def run_with(self, word):
        (code,) = [e for e in EXAMPLES if word in e]
        service = ThreadService()
        self.addCleanup(service.__exit__)
        program = Program(code, service.__enter__())
        self.addCleanup(program.__exit__)
        return program.__enter__()

    def test_answers_of_your_own(self):
        program = self.run_with("cardea.Served")
        self.assertEqual(program.get("/mine"), (200, "hello /mine"))
        self.assertEqual(program.get("/echo", "POST"), (200, ""))

    def test_each_has_its_test(self):
        self.assertEqual(len(EXAMPLES), 5)

    def test_first_steps(self):
        program = self.run_with("whatever else the program does")
        self.assertEqual(program.get("/a"), (200, "/a"))
        _, _, errors = program.end()
        self.assertNotIn("ResourceWarning", errors)

    def test_who_may_pass(self):
        program = self.run_with("s3cret")
        self.assertEqual(program.get("/a")[0], 403)
        self.assertEqual(program.get("/a", **{"x-token": "s3cret"}), (200, "/a"))
        _, out, _ = program.end()
        self.assertIn("403 GET /a  denied", out)
        self.assertIn("200 GET /a ann@example.com ok", out)

    def test_tls_without_a_loop(self):
        program = self.run_with("cardea.serve(")
        self.assertEqual(program.get("/a", tls=True), (200, "/a"))
        code, _, errors = program.end()
        self.assertEqual(code, 0, errors)

    def test_while_it_runs(self):
        program = self.run_with("log_to")
        self.assertEqual(program.get("/a")[0], 200)
        out, errors = program.process.communicate(timeout=PATIENCE)
        self.assertEqual(program.process.returncode, 0, errors)
        self.assertIn("drained", out)
        self.assertIn("'judged': 0", out)
        self.assertIn("0 ended", out)
        self.assertRegex(out, "(?m)^(running|done)$")
        self.assertIn("\nTrue\n", out)


class Example(unittest.TestCase):
    def test_the_asyncio_application(self):
        code = (ROOT / "examples/asyncio_app.py").read_text()
        with Program(code) as program:
            ann, bob = {"Authorization": "Bearer ann-1"}, {"Authorization": "Bearer bob-1"}
            self.assertEqual(program.get(**ann), (200, "hello ann@example.com\n"))
            self.assertEqual(program.get(**bob, **{"X-User": "ann@example.com"}), (200, "hello bob@example.com\n"))
            self.assertEqual(program.get()[0], 403)
            clock = program.connect()
            clock.request("GET", "/clock", headers=ann)
            answer = clock.getresponse()
            self.assertEqual((answer.status, answer.readline()), (200, b"tick\n"))
            self.assertEqual(program.get("/sign-out", "POST", **ann), (200, "goodbye ann@example.com\n"))
            with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
                answer.read()
            clock.close()
            self.assertEqual(program.get(**ann)[0], 403)
            self.assertEqual(program.get(**bob)[0], 200)
            code, _, errors = program.end(signal.SIGTERM)
            self.assertEqual((code, errors), (0, ""))


if __name__ == "__main__":
    unittest.main()
