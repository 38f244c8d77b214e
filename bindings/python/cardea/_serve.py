"""For programs without an event loop."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ._config import Config, sealed
from ._proxy import Proxy
from ._worker import Worker


def serve(
    config: Config | Mapping[str, Any] | Proxy,
    *,
    workers: int | None = None,
    stop: threading.Event | None = None,
    ready: Callable[[list[str]], None] | None = None,
    drain_timeout: float | None = None,
    **hooks: Any,
) -> None:
    """Serves until `stop` is set or KeyboardInterrupt comes, then drains for so many seconds and closes.

    `ready` is told the addresses. `workers` threads (None: the configuration's `workers`). No signal handler is set.
    """
    if isinstance(config, Proxy):
        if hooks:
            raise TypeError("a Proxy has its hooks already")
        proxy, count = config, workers or 1
    else:
        drafted = sealed(config)
        proxy = Proxy(drafted, **hooks)
        count = int(drafted.get("workers")) if workers is None else workers
    stop = stop or threading.Event()
    with contextlib.ExitStack() as stack:
        first: Worker | None = None
        for _ in range(count or os.cpu_count() or 1):
            worker = stack.enter_context(Worker(proxy, thread=True))
            first = first or worker
        try:
            if ready is not None and first is not None:
                ready(first.addresses)
            stop.wait()
        except KeyboardInterrupt:
            pass
        proxy.drain(drain_timeout).result()
