"""Coroutines of hooks, and the event loop for those that have none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

NO_ANSWER = object()  # of a coroutine that failed, which has been reported


class _Background:
    """The process's event loop for coroutine hooks of workers that no event loop waits for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.own: asyncio.AbstractEventLoop | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self.own is None:
                self.own = asyncio.new_event_loop()
                threading.Thread(target=self._run, args=(self.own,), name="cardea-hooks", daemon=True).start()
            return self.own

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            try:
                loop.run_forever()
            except BaseException:  # SystemExit of a coroutine, which has been reported, leaves the loop and its other tasks
                continue


background = _Background()


class Pending:
    """A coroutine of a hook, from the callback to its answer."""

    __slots__ = ("awaitable", "gone", "hook", "loop", "task", "tell")

    def __init__(self, hook: str, awaitable: Awaitable[Any], loop: asyncio.AbstractEventLoop, tell: Callable[[Any], None]) -> None:
        self.hook = hook
        self.awaitable = awaitable
        self.loop = loop
        self.tell = tell  # gets the answer, or NO_ANSWER
        self.task: asyncio.Future[Any] | None = None
        self.gone = False  # nobody waits for the answer

    def drop(self) -> None:
        if isinstance(self.awaitable, Coroutine):
            self.awaitable.close()
        elif isinstance(self.awaitable, asyncio.Future):
            self.awaitable.cancel()

    def start(self) -> asyncio.Task[Any]:
        own = isinstance(self.awaitable, Coroutine)
        return asyncio.ensure_future(self.awaitable if own else _awaited(self.awaitable))

    def cancel(self) -> None:
        self.gone = True
        if self.task is not None:
            self.task.cancel()


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    """A future of another loop raises here, where it denies."""
    return await awaitable
