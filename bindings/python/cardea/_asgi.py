"""ASGI applications as handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

from ._native import raw
from ._request import decoded
from ._served import Answer, Served

Message = MutableMapping[str, Any]
Application = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


def asgi(app: Application) -> Callable[[Served], Awaitable[Answer | None]]:
    """`Proxy(config, serve=asgi(app))`. HTTP only; no lifespan events, and whoever is gone is a cancellation, not a message."""

    async def serve(request: Served) -> Answer | None:
        exchange = _Exchange(request)
        await app(_scope(request), exchange.receive, exchange.send)
        return exchange.answer()

    return serve


def _address(text: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdecimal() else None


def _scope(request: Served) -> Message:
    path = raw(request.path)
    headers = [(raw(name).lower(), raw(value)) for name, value in request.headers]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "2" if request.protocol == "HTTP/2.0" else "1.1",
        "method": request.method,
        "scheme": "https" if request.tls_version else "http",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": raw(request.query[1:]),
        "root_path": "",
        "headers": [*([] if any(n == b"host" for n, _ in headers) else [(b"host", raw(request.host))]), *headers],
        "client": _address(request.peer),
        "server": _address(request.listener),
        "extensions": {"cardea": {"request": request}},
    }


class _Exchange:
    def __init__(self, request: Served) -> None:
        self._request = request
        self._read = False
        self._start: Message | None = None
        self._begun = False
        self._body = b""
        self._over = False

    async def receive(self) -> Message:
        if self._read:
            await asyncio.get_running_loop().create_future()  # until the request ends, which cancels this
        body = await self._request.read()
        self._read = not body
        return {"type": "http.request", "body": body, "more_body": bool(body)}

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start" and self._start is None:
            self._start = message
        elif kind == "http.response.body" and self._start is not None and not self._over:
            body, more = message.get("body", b""), message.get("more_body", False)
            self._over = not more
            if not self._begun and not more:
                self._body = body
                return
            if not self._begun:
                self._begun = True
                await self._request.begin(self._start["status"], self._headers())
            if body:
                await self._request.write(body)
            if not more:
                await self._request.end()
        else:
            raise RuntimeError(f"{kind} is out of place")

    def _headers(self) -> list[tuple[str, str]]:
        assert self._start is not None
        own = (b"connection", b"keep-alive", b"transfer-encoding")  # of the connection, which is Cardea's
        given = [(bytes(n), bytes(v)) for n, v in self._start.get("headers", ())]
        return [(decoded(n), decoded(v)) for n, v in given if n.lower() not in own]

    def answer(self) -> Answer | None:
        if not self._over:
            raise RuntimeError("the application has not answered")
        if self._begun or self._start is None:
            return None
        return Answer(self._start["status"], self._headers(), self._body)
