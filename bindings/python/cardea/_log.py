"""Cardea's own messages for the logging module.

The library holds a lock while it hands over a line, so a logging handler must not run there: lines wait in a bounded queue for a thread
that log_to() starts.
"""

from __future__ import annotations

import atexit
import logging
import sys
import threading
from collections import deque
from typing import Any

from ._native import c_function, callback, ffi, lib, text

WAITING = 10_000  # lines; those that find the queue full are dropped and counted

_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG}


class _Sink:
    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger
        self.lines: deque[tuple[int, str]] = deque()
        self.dropped = 0
        self.wake = threading.Semaphore(0)
        self.ended = False
        self.thread = threading.Thread(target=self._run, name="cardea-log", daemon=True)
        self.thread.start()

    def put(self, level: int, line: str) -> None:
        if len(self.lines) >= WAITING:
            self.dropped += 1
            return
        self.lines.append((level, line))
        self.wake.release()

    def _run(self) -> None:
        while True:
            self.wake.acquire()
            if self.lines:
                level, line = self.lines.popleft()
                self._tell(_LEVELS.get(level, logging.ERROR), "%s", line)
            elif self.ended:
                return
            if self.dropped and not self.lines:
                count, self.dropped = self.dropped, 0
                self._tell(logging.WARNING, "%d messages were dropped", count)

    def _tell(self, level: int, line: str, argument: object) -> None:
        try:
            self.logger.log(level, line, argument)
        except Exception:  # of a filter; handlers have their own way for theirs
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), self.thread)))

    def end(self) -> None:
        self.ended = True
        self.wake.release()
        if threading.current_thread() is not self.thread:
            self.thread.join(2)


_sink: _Sink | None = None
_changing = threading.Lock()


@callback("log", "void(void *, int, const char *, size_t)")
def _log(ud: Any, level: int, pointer: Any, size: int) -> None:
    sink = _sink
    if sink is not None:
        sink.put(level, text(pointer, size))


def log_to(logger: logging.Logger | str | None = "cardea", level: int = logging.INFO) -> None:
    """Cardea's messages go to this logger from now on; None: nowhere, as at first. Messages under `level` are not made."""
    global _sink
    if isinstance(logger, str):
        logger = logging.getLogger(logger)
    with _changing:
        if logger is None:
            lib.cardea_set_log(ffi.NULL, ffi.NULL, 0)
            before, _sink = _sink, None
        else:
            before, _sink = _sink, _Sink(logger)
            made = max((ours for ours, theirs in _LEVELS.items() if theirs >= level), default=1)
            lib.cardea_set_log(c_function("log"), ffi.NULL, made)
    if before is not None:
        before.end()


atexit.register(log_to, None)
