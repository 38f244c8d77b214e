"""Workers: in the running asyncio loop, or on a thread of the library's."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import socket
import threading
import warnings
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ._errors import WrongThreadError, check, closed, error_of, invalid, out_error
from ._native import c_function, callback, ffi, lib, raw, string
from ._options import duration_ms
from ._proxy import Proxy
from ._reply import Reply, succeeded

Clock = Callable[[], tuple[float, float]]

logger = logging.getLogger("cardea")

_STEPS = 8  # in a row before the loop's other work has its turn


class Worker:
    """Serves a proxy: `async with Worker(proxy)` in the running event loop, `Worker(proxy, thread=True)` on a thread of its own.

    Listeners are bound when it starts, and a failure names the address. In the loop, only its thread may use it. `clock`, for
    tests of timeouts: gives seconds of a monotonic clock and of the wall clock (Unix); call wakeup() when it has moved.
    """

    def __init__(self, proxy: Proxy, *, thread: bool = False, clock: Clock | None = None) -> None:
        self._ptr: Any = None
        if clock is not None and thread:
            raise TypeError("a clock is for workers in an event loop")
        self._clock = _HostClock(clock) if clock is not None else None
        if not isinstance(proxy, Proxy):
            raise TypeError(f"a Proxy is wanted, not {type(proxy).__name__}")
        self._proxy = proxy
        self._dispatch = proxy._dispatch
        self._served: Any = None
        self._thread = thread
        self._owner = 0
        self._started = False
        self._closing: Reply[None] | None = None
        self._ended: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fd = -1
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._again = False

    # ---- start and end -----------------------------------------------------------------------------

    def start(self) -> None:
        """Binds and serves. `async with` and `with` do it."""
        if self._started:
            raise closed("the worker") if self._ptr is None else RuntimeError("the worker has been started")
        loop = _running_loop()
        if not self._thread and loop is None:
            raise RuntimeError("no event loop runs here; Worker(proxy, thread=True) needs none")
        out, error = ffi.new("cardea_worker **"), out_error()
        make = lib.cardea_worker_start_thread if self._thread else lib.cardea_worker_new
        if self._thread and loop is not None:
            self._dispatch.loop = loop
        served = self._proxy._live()
        clock = None
        if self._clock is None:
            check(make(served, out, error), error)
        else:
            clock = ffi.new_handle(self._clock)
            check(lib.cardea_worker_new_clock(served, c_function("clock"), clock, out, error), error)
        self._served = served  # what health checks are answered to
        self._ptr = ffi.gc(out[0], lib.cardea_worker_free if clock is None else lambda ptr: _free(ptr, clock))
        self._started = True
        self._owner = threading.get_ident()
        self._loop = loop
        if self._thread:
            _on_threads.add(self)
            return
        assert loop is not None
        self._fd = lib.cardea_worker_fd(self._ptr)
        self._ended = asyncio.Event()
        try:
            loop.add_reader(self._fd, self._pump)
        except BaseException:
            self._discard()
            raise
        self._arm(loop)

    def close(self) -> Reply[None]:
        """Closes every connection now. Await what it returns, or `wait_closed()`, for the end. Again: nothing more happens."""
        if self._closing is not None:
            return self._closing
        if not self._started:
            self._started = True
            self._closing = Reply.now(None)
            return self._closing
        ptr = self._mine() if not self._thread else self._live()
        reply: Reply[None] = Reply(succeeded)
        reply._ask(lambda ud: lib.cardea_worker_close(ptr, c_function("done"), ud))
        self._closing = reply
        if self._loop is not None and not self._thread:
            if self._loop.is_closed():
                self._discard()
            else:
                self._soon(self._loop)
        return reply

    async def wait_closed(self) -> None:
        if self._closing is None:
            raise RuntimeError("close() comes first")
        await self._closing
        if self._thread:
            self.join(10)
        elif self._ended is not None:
            await self._ended.wait()

    def join(self, timeout: float | None = None) -> None:
        """Waits for the thread's end after close(); TimedOutError after so many seconds."""
        if not self._thread:
            raise RuntimeError("no thread to wait for: await wait_closed()")
        ptr = self._ptr
        if ptr is None:
            return
        check(lib.cardea_worker_join(ptr, -1 if timeout is None else max(0, duration_ms(timeout, "timeout"))))
        self._ptr = None
        _on_threads.discard(self)

    @property
    def closed(self) -> bool:
        return self._started and self._ptr is None

    async def __aenter__(self) -> Worker:
        self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        await self.wait_closed()

    def __enter__(self) -> Worker:
        if not self._thread:
            raise TypeError("`async with`, or Worker(proxy, thread=True)")
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        self.join()

    def __del__(self) -> None:
        if getattr(self, "_ptr", None) is None:
            return
        warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=1)
        self._discard()

    # ---- what it tells -------------------------------------------------------------------------------

    @property
    def addresses(self) -> list[str]:
        """The real address of each listener, such as "127.0.0.1:41207"."""
        ptr, out = self._live(), ffi.new("cardea_str *")
        found: list[str] = []
        while (code := lib.cardea_worker_bound_address(ptr, len(found), out)) != lib.CARDEA_ENOTFOUND:
            check(code)
            found.append(string(out))
        return found

    def port(self, listener: int = 0) -> int:
        """Of a listener; 0 for unix sockets."""
        return check(lib.cardea_worker_bound_port(self._live(), _index(listener)))

    def fileno(self) -> int:
        """Readable when the worker has something to do. Only in an event loop, which watches it already."""
        return check(lib.cardea_worker_fd(self._live()))

    def wakeup(self) -> None:
        """Has it look at the time, and at what there is to do. Any thread."""
        check(lib.cardea_worker_wakeup(self._live()))

    def adopt(self, connection: socket.socket | int, *, listener: int = 0, preread: bytes = b"") -> None:
        """Takes over an accepted socket as if it had come to that listener; `preread` is what has been read from it.

        The socket is Cardea's from then on, also when this fails; only misuse (closed, wrong thread) leaves it to the caller.
        """
        ptr, index, read = self._live() if self._thread else self._mine(), _index(listener), raw(preread)
        if self._closing is not None:
            raise closed("the worker")
        fd = connection if isinstance(connection, int) else connection.fileno()
        if fd < 0:
            raise invalid("no open socket")
        # The library would close it when this is not the worker's thread.
        code = lib.cardea_worker_adopt_fd(ptr, index, os.dup(fd), read, len(read))
        if code != lib.CARDEA_EWRONGTHREAD:
            os.close(fd) if isinstance(connection, int) else connection.close()
        check(code)

    def __repr__(self) -> str:
        state = "new" if not self._started else "closed" if self._ptr is None else "closing" if self._closing else "serving"
        return f"<cardea.Worker {'on a thread' if self._thread else 'in a loop'}, {state}>"

    # ---- in the loop ---------------------------------------------------------------------------------

    def _live(self) -> Any:
        ptr = self._ptr
        if ptr is None:
            raise closed("the worker") if self._started else RuntimeError("the worker has not been started")
        return ptr

    def _mine(self) -> Any:
        ptr = self._live()
        if threading.get_ident() != self._owner:
            raise WrongThreadError(lib.CARDEA_EWRONGTHREAD, "the worker belongs to its event loop's thread")
        return ptr

    def _pump(self) -> None:
        """What is there to do, then the time of the next step."""
        ptr, loop = self._ptr, self._loop
        if ptr is None or loop is None:
            return
        step = lib.cardea_worker_step
        code = step(ptr)
        for _ in range(_STEPS):
            if code <= 0:
                break
            code = step(ptr)
        if code < 0:
            if code != lib.CARDEA_EREENTRANT:
                self._closing = self._closing or Reply.now(None)
                self._release()
            raise error_of(code)  # to the loop's exception handler
        if self._closing is not None and self._closing.done():
            self._release()
        else:
            self._arm(loop)
        if self._dispatch.fatal is not None:
            fatal, self._dispatch.fatal = self._dispatch.fatal, None
            raise fatal

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        ms = lib.cardea_worker_timeout(self._ptr)
        if ms < 0:
            return  # a timer that is set comes for nothing, once
        if ms == 0:
            self._soon(loop)
            return
        due = loop.time() + ms / 1000
        if self._timer is not None:
            if self._due <= due + 0.001:
                return  # comes earlier, and looks again then
            self._timer.cancel()
        self._due = due
        self._timer = loop.call_at(due, self._pump_in_time)

    def _soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._again:
            self._again = True
            loop.call_soon(self._pump_again)

    def _pump_again(self) -> None:
        self._again = False
        self._pump()

    def _pump_in_time(self) -> None:
        self._timer = None
        self._pump()

    def _release(self) -> None:
        """The loop watches it no more."""
        loop, self._loop = self._loop, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self._fd)
        self._ptr = None
        if self._ended is not None:
            self._ended.set()

    def _discard(self) -> None:
        """Closes without a loop, for those that were forgotten."""
        ptr, self._ptr = self._ptr, None
        if self._thread:
            lib.cardea_worker_close(ptr, ffi.NULL, ffi.NULL)
            lib.cardea_worker_join(ptr, 5000)
        elif threading.get_ident() == self._owner:
            if lib.cardea_worker_close(ptr, ffi.NULL, ffi.NULL) in (0, lib.CARDEA_ECLOSED):
                lib.cardea_worker_run(ptr)


class _HostClock:
    """What the host says the time is; it stands still when the host's function raises."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0, 0

    def now(self) -> tuple[int, int]:
        try:
            monotonic, unix = self._clock()
            self._last = round(monotonic * 1000), round(unix * 1000)
        except Exception as error:
            logger.error("a worker's clock failed", exc_info=error)
        return self._last


@callback("clock", "int64_t(void *, int64_t *)")
def _now(ud: Any, unix_ms: Any) -> int:
    monotonic, unix_ms[0] = ffi.from_handle(ud).now()
    return int(monotonic)


def _free(ptr: Any, clock: Any) -> None:
    lib.cardea_worker_free(ptr)
    del clock  # not earlier: the worker may ask


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _index(listener: int) -> int:
    if listener < 0:
        raise invalid("listeners are numbered from 0")
    return listener


# Those must not call back into an interpreter that has ended.
_on_threads: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register
def _close_threads() -> None:
    for worker in list(_on_threads):
        try:
            worker.close()
            worker.join(5)
        except Exception:
            pass
