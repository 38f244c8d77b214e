"""Drains: clients that are let go, until none of them is left or the time is over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ._errors import StaleError, check
from ._native import c_function, ffi, lib
from ._options import duration_ms
from ._reply import Reply, succeeded

if TYPE_CHECKING:
    from ._proxy import Proxy

STRATEGIES = {None: 0, "immediate": lib.CARDEA_DRAIN_IMMEDIATE, "gradual": lib.CARDEA_DRAIN_GRADUAL}


class Drain(Reply[None]):
    """Await it, or ask for `result(timeout)`: it is over when nobody is left or it was cancelled. It goes on when nobody asks."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(succeeded)
        self._proxy = proxy
        self.id = 0

    def cancel(self) -> None:
        """Those that have not been told stay, listeners listen again. StaleError: it is over."""
        check(lib.cardea_proxy_drain_cancel(self._proxy._live(), self.id))

    def extend(self, seconds: float) -> None:
        """The deadline is so many seconds from now. StaleError: it is over."""
        check(lib.cardea_proxy_drain_extend(self._proxy._live(), self.id, max(0, duration_ms(seconds, "seconds"))))

    def progress(self) -> dict[str, Any]:
        """{"state", "age_ms", "left_ms", "left": {"http", ...}, "finished", "told", "cut", ...}. StaleError: long over."""
        for row in drains(self._proxy._live()):
            if row["id"] == self.id:
                return row
        raise StaleError(lib.CARDEA_ESTALE, "the drain has been over for long")

    def __repr__(self) -> str:
        return f"<cardea.Drain {self.id}, {'over' if self.done() else 'running'}>"


def drains(proxy: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(given_now(lambda ud: lib.cardea_proxy_drains(proxy, c_function("text"), ud)))["drains"]
    return rows


def given_now(call: Any) -> str:
    """A text that is given inside the call."""
    return Reply(str)._ask(call).result(0)


def start(drain: Drain, text: bytes, timeout: float | None, strategy: str | None, restart: bool, by: Any, error: Any) -> None:
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy is 'immediate' or 'gradual', not {strategy!r}")
    flags = STRATEGIES[strategy] | (lib.CARDEA_DRAIN_RESTART if restart else 0)
    ms = -1 if timeout is None else max(0, duration_ms(timeout, "timeout"))
    ptr, number = drain._proxy._live(), ffi.new("uint64_t *")
    drain._ask(
        lambda ud: lib.cardea_proxy_drain_start(ptr, text, len(text), ms, flags, by, c_function("done"), ud, number, error), error
    )
    drain.id = int(number[0])
