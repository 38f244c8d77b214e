"""An answer that may come later: to await, or to wait for."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from ._errors import check
from ._native import callback, handles, text

T = TypeVar("T")

hooking: set[int] = set()
"""Threads that run a hook. An answer may need the worker of that thread."""


class Reply(Generic[T]):
    """Await it, or where no event loop runs on this thread ask for `result(timeout)`. It comes once, also when nobody asks."""

    def __init__(self, convert: Callable[[Any], T]) -> None:
        self._future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._future.set_running_or_notify_cancel()  # whoever stops waiting does not take it away
        self._convert = convert

    @classmethod
    def now(cls, value: T) -> Reply[T]:
        reply = cls(lambda given: given)
        reply._future.set_result(value)
        return reply

    def _ask(self, call: Callable[[Any], int], error: Any = None) -> Reply[T]:
        """`call` gets the pointer that the answer will come with."""
        handle = handles.hold(self._future)
        try:
            check(call(handle), error)
        except BaseException:
            if not self._future.done():
                handles.drop(handle)
            raise
        return self

    def done(self) -> bool:
        return self._future.done()

    def result(self, timeout: float | None = None) -> T:
        """Blocks for so many seconds; TimeoutError."""
        if not self._future.done():
            if threading.get_ident() in hooking:
                raise RuntimeError("this thread runs a hook, and the answer may need it: ask from elsewhere, or in a coroutine")
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                pass
            else:
                raise RuntimeError("an event loop runs on this thread: await the reply instead")
        return self._convert(self._future.result(timeout))

    def __await__(self) -> Generator[Any, None, T]:
        if not self._future.done():
            yield from asyncio.wrap_future(self._future).__await__()
        return self._convert(self._future.result())


def succeeded(status: int) -> None:
    check(status)


@callback("done", "void(void *, int)")
def _done(ud: Any, status: int) -> None:
    handles.drop(ud).set_result(status)


@callback("text", "void(void *, const char *, size_t)")
def _text(ud: Any, pointer: Any, size: int) -> None:
    handles.drop(ud).set_result(text(pointer, size))
