"""Requests that the host serves: what its handler is given, and what it gives back."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Union

from ._errors import StaleError, check
from ._later import NO_ANSWER
from ._native import ffi, lib, raw
from ._request import Request

HeaderFields = Union[Mapping[str, str], Iterable[tuple[str, str]]]

_PIECE = 64 * 1024  # bytes in one call


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int = 200
    headers: HeaderFields = ()
    """A mapping, or pairs where a name comes twice. The length is stated by itself."""
    body: str | bytes = b""


Handler = Callable[["Served"], Union[Answer, None, Awaitable[Union[Answer, None]]]]


def _fields(headers: HeaderFields) -> tuple[Any, Any, int, Any]:
    """Names, values, their number, and what keeps them."""
    pairs = [(raw(n), raw(v)) for n, v in (headers.items() if isinstance(headers, Mapping) else headers)]
    names, values = ffi.new("cardea_str[]", len(pairs)), ffi.new("cardea_str[]", len(pairs))
    kept = []
    for i, (name, value) in enumerate(pairs):
        kept += [ffi.from_buffer(name), ffi.from_buffer(value)]
        names[i].ptr, names[i].len = kept[-2], len(name)
        values[i].ptr, values[i].len = kept[-1], len(value)
    return names, values, len(pairs), kept


class Served(Request):
    """A request that the host answers, to keep as long as its handler runs: what a Request tells, its body, its answer.

    StaleError: the request is over, or its answer was given.
    """

    __slots__ = ("_begun", "_ended", "_loop", "_readable", "_token", "_writable")

    def __init__(self, ptr: Any, token: int, loop: asyncio.AbstractEventLoop) -> None:
        view = Request(ptr)
        super().__init__(None)
        self._copied = view._snapshot()
        self._token = token
        self._loop = loop
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._begun = self._ended = False

    # ---- its body ------------------------------------------------------------------------------------

    async def read(self, n: int = _PIECE) -> bytes:
        """What has come, at most so many bytes; waits for the first. Empty: that was all. What is not read stops the client."""
        if n < 1:
            raise ValueError("read at least a byte")
        buffer, count = ffi.new("char[]", min(n, _PIECE)), ffi.new("size_t *")
        while True:
            self._readable.clear()
            code = lib.cardea_body_read(self._token, buffer, min(n, _PIECE), count)
            if code != lib.CARDEA_EAGAIN:
                return bytes(ffi.buffer(buffer, count[0])) if check(code) == 0 else b""
            await self._readable.wait()

    async def body(self) -> AsyncIterator[bytes]:
        """All of it in pieces."""
        while piece := await self.read():
            yield piece

    # ---- its answer in pieces --------------------------------------------------------------------------

    async def begin(self, status: int = 200, headers: HeaderFields = ()) -> None:
        """The head; or an informational one (102 to 199 but 101), of which several may come before it."""
        names, values, count, _kept = _fields(headers)
        check(lib.cardea_answer_begin(self._token, status, names, values, count))
        self._begun = self._begun or status >= 200

    async def write(self, data: str | bytes) -> None:
        """A piece of the body; waits while the client is slow."""
        encoded = memoryview(raw(data))
        for at in range(0, len(encoded), _PIECE):
            piece = ffi.from_buffer(encoded[at : at + _PIECE])
            while True:
                self._writable.clear()
                code = lib.cardea_answer_write(self._token, piece, len(piece), ffi.NULL, ffi.NULL)
                if code != lib.CARDEA_EAGAIN:
                    break
                await self._writable.wait()
            check(code)

    async def end(self, trailers: HeaderFields = ()) -> None:
        """The answer is complete. A handler that has begun and gives back None has it ended."""
        names, values, count, _kept = _fields(trailers)
        check(lib.cardea_answer_end(self._token, names, values, count))
        self._ended = True

    def abort(self) -> None:
        """Gives up: the client gets 502, or sees that what it got is not complete."""
        lib.cardea_answer_abort(self._token)
        self._ended = True

    # ---- for Serving -----------------------------------------------------------------------------------

    def _wake(self, event: asyncio.Event) -> None:
        if self._loop is asyncio._get_running_loop():
            event.set()
            return
        try:
            self._loop.call_soon_threadsafe(event.set)
        except RuntimeError:  # the loop is closed, and the handler with it
            pass

    def _complete(self, answer: Any) -> None:
        """With what the handler gave back."""
        if answer is None and (self._begun or self._ended):
            if not self._ended:
                check(lib.cardea_answer_end(self._token, ffi.NULL, ffi.NULL, 0))
            return
        if not isinstance(answer, Answer):
            raise TypeError(f"serve gives back an Answer, or None when it has answered, not {answer!r}")
        if self._begun or self._ended:
            raise TypeError("an Answer after begin()")
        names, values, count, _kept = _fields(answer.headers)
        body = raw(answer.body)
        check(lib.cardea_answer(self._token, answer.status, names, values, count, body, len(body)))


class Serving:
    """The requests that handlers answer now."""

    def __init__(self, dispatch: Any, handler: Handler) -> None:
        self._dispatch = dispatch
        self._handler = handler
        self._by_token: dict[int, Served] = {}
        self._by_request: dict[int, tuple[int, int]] = {}  # token, number of the pending coroutine

    def request(self, r: Any, token: int) -> None:
        try:
            served = Served(r, token, self._dispatch.loop_of_hooks())
            answer = self._handler(served)
            if not inspect.isawaitable(answer):
                self._finish(served, answer)
                return
            self._by_token[token] = served
            key = int(ffi.cast("uintptr_t", r))
            self._by_request[key] = token, -1
            self._by_request[key] = token, self._dispatch.later("serve", answer, lambda given: self._finish(served, given))
        except BaseException as error:
            self._by_token.pop(token, None)
            if self._dispatch.overloaded(error):
                lib.cardea_answer(token, 503, ffi.NULL, ffi.NULL, 0, ffi.NULL, 0)
            else:
                lib.cardea_answer_abort(token)
            self._dispatch.report("serve", error)

    def end(self, r: Any) -> None:
        """The request is over: its handler is cancelled."""
        token, number = self._by_request.pop(int(ffi.cast("uintptr_t", r)), (0, -1))
        if token:
            self._by_token.pop(token, None)
            self._dispatch.abandon(number)

    def readable(self, token: int) -> None:
        served = self._by_token.get(token)
        if served is not None:
            served._wake(served._readable)

    def writable(self, token: int) -> None:
        served = self._by_token.get(token)
        if served is not None:
            served._wake(served._writable)

    def _finish(self, served: Served, answer: Any) -> None:
        self._by_token.pop(served._token, None)
        if answer is NO_ANSWER:  # which was reported, unless the request is over
            lib.cardea_answer_abort(served._token)
            return
        try:
            served._complete(answer)
        except StaleError:
            pass
        except BaseException:
            lib.cardea_answer_abort(served._token)
            raise
