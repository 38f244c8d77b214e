"""What workers share: the configuration, the hooks, who is here and who may stay."""

from __future__ import annotations

import json
import socket
import weakref
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ._config import Config, sealed
from ._drain import Drain, drains, given_now, start
from ._errors import check, closed, out_error
from ._hooks import Authorizer, Dispatch, ErrorHook, HealthChecker, Hooks
from ._native import c_function, c_string, ffi, handles, lib, raw, string
from ._options import duration_ms, to_json
from ._reply import Reply, succeeded
from ._served import Handler

Selector = Mapping[str, Any]
Rows = list[dict[str, Any]]


class Metric(NamedTuple):
    name: str
    kind: str
    """ "counter" or "gauge"."""
    help: str
    value: int


class Proxy:
    """One configuration with its hooks, served by any number of workers. Any thread may use it.

    The hooks, all optional:

    authorize(request)      a route's policy names the host: True, False or an Identity; a coroutine may answer later
    on_request_end(request) once for each request
    on_conn_open(conn), on_conn_close(conn)
    on_pick_endpoint(request, endpoints)      load_balancing_policy `host`: which one takes it, by number; None: none does
    on_health(cluster, endpoint, health, cause)
    health_check(cluster, endpoint)           custom_health_check: True or False; a coroutine may answer later
    serve(request)          a route is `served_by_host`: gives back an Answer, or answers in pieces; a coroutine is cancelled when
                            the request ends. One that raises gives up: 502, or an answer that is cut
    on_request_start(request) once for each request, before anything is asked about it
    on_hook_error(hook, error)                instead of the event loop's exception handler or the log

    They come on the worker's thread. One that raises denies. At most `max_pending` coroutines wait for their answers; what comes
    then is denied.
    """

    def __init__(
        self,
        config: Config | Mapping[str, Any],
        *,
        authorize: Authorizer | None = None,
        on_request_end: Any = None,
        on_conn_open: Any = None,
        on_conn_close: Any = None,
        on_pick_endpoint: Any = None,
        on_health: Any = None,
        health_check: HealthChecker | None = None,
        serve: Handler | None = None,
        on_request_start: Any = None,
        on_hook_error: ErrorHook | None = None,
        max_pending: int = 10_000,
    ) -> None:
        self._ptr: Any = None
        hooks = Hooks(
            authorize, on_request_end, on_conn_open, on_conn_close, on_pick_endpoint, on_health, health_check, on_hook_error,
            serve, on_request_start,
        )  # fmt: skip
        self._dispatch = Dispatch(hooks, max_pending)
        drafted = sealed(config)
        handle, out, error = handles.hold(weakref.ref(self._dispatch)), ffi.new("cardea_proxy **"), out_error()
        try:
            check(
                lib.cardea_proxy_new(drafted._ptr, self._dispatch.table(), handle, c_function("free"), out, error),
                error,
            )
        except BaseException:
            handles.drop(handle)
            raise
        # Unreferenced when the last call that uses it has returned, not before: close() may come from another thread.
        self._ptr = ffi.gc(out[0], lib.cardea_proxy_unref)
        self._dispatch.proxy = weakref.ref(self._ptr)

    def _live(self) -> Any:
        ptr = self._ptr
        if ptr is None:
            raise closed("the proxy")
        return ptr

    def close(self) -> None:
        """Lets go of it; workers that serve it go on. Again: nothing happens."""
        self._ptr = None

    @property
    def closed(self) -> bool:
        return self._ptr is None

    @property
    def pending(self) -> int:
        """Coroutines of hooks that have not answered yet."""
        return self._dispatch.pending

    @property
    def generation(self) -> int:
        """Of the configuration in force."""
        out = ffi.new("uint64_t *")
        check(lib.cardea_proxy_generation(self._live(), out))
        return int(out[0])

    def apply(self, config: Config | Mapping[str, Any]) -> None:
        """Makes it the current configuration: a comparison, not a restart. A failure changes nothing."""
        ptr, error = self._live(), out_error()
        check(lib.cardea_proxy_apply(ptr, sealed(config)._ptr, error), error)

    def drain(self, timeout: float | None = None) -> Reply[None]:
        """Stops accepting, lets requests finish, cuts the rest after so many seconds (None: drain_timeout of the configuration)."""
        ptr, ms = self._live(), -1 if timeout is None else max(0, duration_ms(timeout, "timeout"))
        reply: Reply[None] = Reply(succeeded)
        return reply._ask(lambda ud: lib.cardea_proxy_drain(ptr, ms, c_function("done"), ud))

    def adopt_listening(self, listening: socket.socket | int) -> None:
        """A listening socket that somebody else bound: the listener of its address takes it instead of binding.

        Before the first worker starts, or before the apply() that brings the listener. Cardea's from then on, unless this fails.
        """
        fd = listening if isinstance(listening, int) else listening.fileno()
        error = out_error()
        check(lib.cardea_proxy_adopt_listening(self._live(), fd, error), error)
        if not isinstance(listening, int):
            listening.detach()

    def listening_sockets(self) -> list[socket.socket]:
        """New ones for all that the workers accept from, to pass to a successor, which adopts every one; drain this proxy then."""
        ptr, count, room = self._live(), ffi.new("size_t *"), 16
        while True:
            fds = ffi.new("int[]", room)
            check(lib.cardea_proxy_listening_fds(ptr, fds, room, count))
            found = [socket.socket(fileno=fds[i]) for i in range(min(room, count[0]))]
            if count[0] <= room:
                return found
            room = count[0]
            for one in found:
                one.close()

    def metrics(self) -> list[Metric]:
        """All of them, with their values now."""
        ptr, found = self._live(), []
        cursor, value, texts = ffi.new("size_t *"), ffi.new("uint64_t *"), ffi.new("cardea_str[3]")
        while lib.cardea_proxy_metric_next(ptr, cursor, texts, texts + 1, texts + 2, value) == 1:
            found.append(Metric(string(texts[0]), string(texts[1]), string(texts[2]), int(value[0])))
        return found

    def metrics_text(self) -> str:
        """All of them and those with labels, by route, cluster and the like: Prometheus' text format, what `/metrics` answers."""
        ptr = self._live()
        return given_now(lambda ud: lib.cardea_proxy_metrics(ptr, c_function("text"), ud))

    # ---- live requests: a selector is a mapping or keywords, and all that are given must fit ---------
    # user, route, listener, cluster, endpoint, exchange (a request's id), certificate_fingerprint, generation (of the
    # configuration), certificate_generation (of the one that brought the connection's certificates)

    def list(self, selector: Selector | None = None, /, **fields: Any) -> Reply[Rows]:
        """The live requests."""
        text, error, ptr = _selector(selector, fields), out_error(), self._live()
        reply: Reply[Rows] = Reply(lambda given: json.loads(given)["exchanges"])
        return reply._ask(lambda ud: lib.cardea_proxy_list(ptr, text, len(text), c_function("text"), ud, error), error)

    def reauthorize(self, selector: Selector | None = None, /, **fields: Any) -> Reply[None]:
        """Judges them again now; where a policy names the host, `authorize` is asked again."""
        text, error = _selector(selector, fields), out_error()
        check(lib.cardea_proxy_reauthorize(self._live(), text, len(text), error), error)
        return Reply.now(None)

    def end(self, selector: Selector | None = None, /, *, by: str | None = None, **fields: Any) -> Reply[int]:
        """Ends those that fit; how many there were. `end({})` is everything."""
        if selector is None and not fields:
            raise TypeError("whom? end({}) ends everything")
        text, who, error, ptr = _selector(selector, fields), _c_text(by), out_error(), self._live()
        reply: Reply[int] = Reply(lambda given: json.loads(given)["ended"])
        return reply._ask(lambda ud: lib.cardea_proxy_end(ptr, text, len(text), who, c_function("text"), ud, error), error)

    def revoke(
        self,
        *,
        user: str | None = None,
        certificate_fingerprint: str | None = None,
        until: datetime | float | str | None = None,
        by: str | None = None,
    ) -> Reply[None]:
        """From now on nothing of theirs passes, whatever a policy says, and what lives ends. `user`: id or e-mail address."""
        who: dict[str, Any] = {"user": user, "certificate_fingerprint": certificate_fingerprint}
        who = {key: value for key, value in who.items() if value is not None}
        if until is not None:
            if isinstance(until, datetime) and until.tzinfo is None:
                raise ValueError("until has no timezone")
            who["until"] = int(until.timestamp()) if isinstance(until, datetime) else until
        text, error = raw(to_json(who)), out_error()
        check(lib.cardea_proxy_revoke(self._live(), text, len(text), _c_text(by), error), error)
        return Reply.now(None)

    def dry_run(self, config: Config | Mapping[str, Any]) -> Reply[dict[str, Any]]:
        """Whom applying it would end: {"would_end": [...], "would_ask_host": [...], "judged": n}. Changes nothing."""
        drafted, error, ptr = sealed(config), out_error(), self._live()
        reply: Reply[dict[str, Any]] = Reply(json.loads)
        return reply._ask(lambda ud: lib.cardea_proxy_dry_run(ptr, drafted._ptr, c_function("text"), ud, error), error)

    def start_drain(
        self,
        selector: Selector | None = None,
        /,
        *,
        timeout: float | None = None,
        strategy: str | None = None,
        restart: bool = False,
        by: str | None = None,
        **fields: Any,
    ) -> Drain:
        """Lets go those that fit, in so many seconds (None: drain_timeout of the configuration). `start_drain({})` is everything.

        everything, `listener`, `certificate_generation`   connections: idle ones at once, others when they can; the listener ends
        any other selector                                 the requests of theirs that live now
        strategy   "immediate": streams are told at once; "gradual": one by one over the time; None: drain_strategy
        restart    WebSockets are told to come back soon

        BusyError: 100 of them run.
        """
        if selector is None and not fields:
            raise TypeError("whom? start_drain({}) lets everybody go")
        drain = Drain(self)
        start(drain, _selector(selector, fields), timeout, strategy, restart, _c_text(by), out_error())
        return drain

    def drains(self) -> Rows:
        """Those that run and the last that did, the newest first."""
        return drains(self._live())

    # ---- clusters: each has the name of the first route that it serves ---------------------------------

    def clusters(self) -> Reply[Rows]:
        """Their endpoints, with health and load."""
        ptr = self._live()
        reply: Reply[Rows] = Reply(lambda given: json.loads(given)["clusters"])
        return reply._ask(lambda ud: lib.cardea_proxy_clusters(ptr, c_function("text"), ud))

    def set_endpoints(self, cluster: str, endpoints: Sequence[str | Mapping[str, Any]] | None) -> Reply[None]:
        """Its endpoints from now on: URLs, or {"url", "weight", "priority"}. None: those of the configuration again."""
        name, error = raw(cluster), out_error()
        text = b"" if endpoints is None else raw(to_json([*endpoints] if not isinstance(endpoints, str) else [endpoints]))
        given = ffi.NULL if endpoints is None else text
        check(lib.cardea_proxy_set_endpoints(self._live(), name, len(name), given, len(text), error), error)
        return Reply.now(None)


def _c_text(value: str | None) -> Any:
    return ffi.NULL if value is None else c_string(value)


def _selector(selector: Selector | None, fields: Mapping[str, Any]) -> bytes:
    """A field without a value is a mistake of the caller's, which must not become 'everybody'."""
    given = {**(selector or {}), **fields}
    for key, value in given.items():
        if value is None or value == "":
            raise TypeError(f"{key} has no value; leave it out to mean all")
    return raw(to_json(given))
