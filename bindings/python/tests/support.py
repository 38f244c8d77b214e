"""What the tests share: a service, clients, certificates, waiting for something to become true."""

from __future__ import annotations

import asyncio
import atexit
import base64
import contextlib
import hashlib
import http.client
import http.server
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from collections.abc import AsyncIterator, Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
with contextlib.suppress(ImportError):
    import cardea  # installed, or PYTHONPATH says where
if "cardea" not in sys.modules:
    sys.path.insert(0, str(ROOT))
import cardea  # noqa: E402, F811

PATIENCE = 20.0  # seconds until a test gives up


class Service:
    """Answers with the head that it received. /hold: no answer ever. /stream: chunks until the client leaves. /ws: a WebSocket."""

    def __init__(self) -> None:
        self.requests = 0
        self.status = b"200 OK"

    async def start(self) -> Service:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                if b" /hold" in head.split(b"\r\n")[0]:
                    await reader.read()
                    return
                if b" /stream" in head.split(b"\r\n")[0]:
                    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
                    await writer.drain()
                    await reader.read()
                    return
                if b" /ws" in head.split(b"\r\n")[0]:
                    (key,) = re.findall(rb"(?im)^sec-websocket-key: *(\S+)", head)
                    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
                    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                 b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept)  # fmt: skip
                    await writer.drain()
                    await reader.read()
                    return
                writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (self.status, len(head), head))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: str) -> None:
        self.status, self.headers, self.body = status, headers, body


class Client:
    """HTTP/1.1 on one connection."""

    @classmethod
    async def to(cls, port: int, **options: object) -> Client:
        self = cls()
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port, **options)
        return self

    async def send(self, path: str, host: str = "app.test", **headers: str) -> None:
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *(f"{k}: {v}" for k, v in headers.items())]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape"))
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), {k.lower(): v for k, v in fields.items()}

    async def answer(self) -> Answer:
        status, headers = await self.head()
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(status, headers, body.decode("utf-8", "surrogateescape"))

    async def get(self, path: str, host: str = "app.test", **headers: str) -> Answer:
        await self.send(path, host, **headers)
        return await self.answer()

    async def over(self) -> bytes:
        """What comes until the end of the connection, however it ends."""
        got = b""
        with contextlib.suppress(ConnectionError):
            while part := await asyncio.wait_for(self.reader.read(65536), PATIENCE):
                got += part
        self.writer.close()
        return got

    def reset(self) -> None:
        """Leaves with an RST. A FIN would be no sign of that: whoever has sent everything may still read."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.close()


async def get(port: int, path: str = "/", **headers: str) -> Answer:
    client = await Client.to(port)
    try:
        return await asyncio.wait_for(client.get(path, **headers), PATIENCE)
    finally:
        client.close()


def get_blocking(port: int, path: str = "/", host: str = "app.test") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def draft(url: str, *, policy: cardea.Policy | None = None, listeners: int = 1, **options: object) -> cardea.Config:
    """A configuration with http://app.test to the service; without a policy everybody may pass."""
    return cardea.Config(
        listeners=[cardea.Listener("127.0.0.1:0") for _ in range(listeners)],
        routes=[
            cardea.Route(
                "http://app.test", name="app", policy=policy or cardea.Policy.public(), cluster=cardea.Cluster(url)
            )
        ],
        **options,
    )


async def until(true: Callable[[], object], what: str = "") -> None:
    """Polls."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not become true: {what or true}")
        await asyncio.sleep(0.002)


def until_blocking(true: Callable[[], object], what: str = "") -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not become true: {what or true}")
        time.sleep(0.002)


class LoopCase(unittest.IsolatedAsyncioTestCase):
    """A service, and a worker in the test's own loop."""

    async def asyncSetUp(self) -> None:
        self.service = await Service().start()
        self.errors: list[tuple[str, BaseException]] = []

    async def asyncTearDown(self) -> None:
        await self.service.stop()

    @contextlib.asynccontextmanager
    async def serving(self, config: cardea.Config | None = None, **hooks: object) -> AsyncIterator[cardea.Worker]:
        """With a worker that has `proxy` and `at`, its port; hooks' errors are gathered in `errors`."""
        hooks.setdefault("on_hook_error", lambda hook, error: self.errors.append((hook, error)))
        self.proxy = cardea.Proxy(config or draft(self.service.url), **hooks)
        async with cardea.Worker(self.proxy) as worker:
            self.at = worker.port()
            yield worker


class ThreadService:
    """The same for tests without an event loop."""

    def __enter__(self) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.path.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *arguments: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


_folder = tempfile.TemporaryDirectory(prefix="cardea-python-")
atexit.register(_folder.cleanup)


def certificate(name: str = "app.test") -> tuple[str, str]:
    """Files with a certificate of its own and its key."""
    cert, key = os.path.join(_folder.name, name + ".pem"), os.path.join(_folder.name, name + ".key")
    if not os.path.exists(cert):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name, "-keyout", key, "-out", cert],
            check=True, capture_output=True,
        )  # fmt: skip
    return cert, key


def run_python(code: str, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """In a process of its own, with the same binding."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT / "tests"), *filter(None, sys.path)]))
    return subprocess.run(
        [sys.executable, "-B", "-c", code, *arguments],
        env=environment, capture_output=True, text=True, timeout=60, **options,
    )  # fmt: skip
