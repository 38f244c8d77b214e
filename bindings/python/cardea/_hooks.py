"""The host's hooks, between C's callbacks and Python. What goes wrong in one denies and is reported."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Union

from ._later import NO_ANSWER, Pending, background
from ._native import F, c_function, callback, ffi, lib, string
from ._reply import hooking
from ._request import Conn, Endpoint, Identity, Request
from ._served import Handler, Serving

Answer = Union[bool, Identity]
Authorizer = Callable[[Request], Union[Answer, Awaitable[Answer]]]
HealthChecker = Callable[[str, str], Union[bool, Awaitable[bool]]]
ErrorHook = Callable[[str, BaseException], None]

logger = logging.getLogger("cardea")

DENY, ALLOW, PENDING = 0, 1, 2


class Health(IntEnum):
    """What became of an endpoint."""

    UNHEALTHY = 1
    HEALTHY = 2
    EJECTED = 3
    RETURNED = 4
    WOULD_EJECT = 5


@dataclass(slots=True)
class Hooks:
    """What the host wants to be asked and told."""

    authorize: Authorizer | None = None
    on_request_end: Callable[[Request], None] | None = None
    on_conn_open: Callable[[Conn], None] | None = None
    on_conn_close: Callable[[Conn], None] | None = None
    on_pick_endpoint: Callable[[Request, list[Endpoint]], int | None] | None = None
    on_health: Callable[[str, str, Health, str], None] | None = None
    health_check: HealthChecker | None = None
    on_hook_error: ErrorHook | None = None
    serve: Handler | None = None
    on_request_start: Callable[[Request], None] | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            hook = getattr(self, name)
            if hook is not None and not callable(hook):
                raise TypeError(f"{name} is not callable")
            if name not in ("authorize", "health_check", "serve") and is_coroutine_function(hook):
                raise TypeError(f"{name} is told, not waited for: it cannot be a coroutine function")


def is_coroutine_function(hook: Any) -> bool:
    return inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(getattr(hook, "__call__", None))


class OverloadedError(Exception):
    """A hook was not asked because `max_pending` of them have not answered yet."""


class Dispatch:
    """What C's `ud` points to, weakly: proxy and workers keep it, so that hooks which refer to them are no cycle through C."""

    def __init__(self, hooks: Hooks, max_pending: int) -> None:
        self.hooks = hooks
        self.max_pending = max_pending
        self.proxy: Callable[[], Any] = lambda: None  # a weak reference to C's, which lives while anybody serves it
        self.loop: asyncio.AbstractEventLoop | None = None  # for hooks of workers with their own thread
        self.fatal: BaseException | None = None  # KeyboardInterrupt and the like: for whoever drives the loop
        self._pending: dict[int, Pending] = {}
        self._numbers = itertools.count()
        self._by_request: dict[int, int] = {}
        self._serving = Serving(self, hooks.serve) if hooks.serve else None
        self._told_ends = hooks.on_request_end is not None or is_coroutine_function(hooks.authorize) or hooks.serve is not None

    @property
    def pending(self) -> int:
        return len(self._pending)

    def table(self) -> Any:
        table = ffi.new("cardea_handlers *")
        table.struct_size = ffi.sizeof("cardea_handlers")
        hooks = self.hooks
        if hooks.authorize:
            table.on_authorize = c_function("authorize")
        # Whoever is gone does not wait for an answer: a coroutine is cancelled then.
        if self._told_ends:
            table.on_request_end = c_function("request_end")
        if self._serving:
            for name in ("request", "readable", "writable"):
                setattr(table, "on_" + name, c_function(name))
        for name in ("on_conn_open", "on_conn_close", "on_pick_endpoint", "on_health", "on_request_start"):
            if getattr(hooks, name):
                setattr(table, name, c_function(name[3:]))
        if hooks.health_check:
            table.on_health_check = c_function("health_check")
        return table

    # ---- what went wrong -----------------------------------------------------------------------

    def report(self, hook: str, error: BaseException) -> None:
        running = asyncio._get_running_loop()
        if isinstance(error, (KeyboardInterrupt, SystemExit)) and running is not None and running is not background.own:
            self.fatal = error
            return
        try:
            if self.hooks.on_hook_error is not None:
                self.hooks.on_hook_error(hook, error)
            elif running is not None and running is not background.own:
                running.call_exception_handler({"message": f"cardea: the hook {hook} failed", "exception": error})
            else:
                logger.error("the hook %s failed", hook, exc_info=error)
        except Exception:
            logger.exception("reporting an error of the hook %s failed", hook)

    # ---- answers that come later ----------------------------------------------------------------

    def loop_of_hooks(self) -> asyncio.AbstractEventLoop:
        running = asyncio._get_running_loop()
        return running or (self.loop if self.loop is not None and not self.loop.is_closed() else background.loop())

    def overloaded(self, error: BaseException) -> bool:
        return isinstance(error, OverloadedError)

    def later(self, hook: str, awaitable: Awaitable[Any], tell: Callable[[Any], None]) -> int:
        """The number under which it waits."""
        running, loop = asyncio._get_running_loop(), self.loop_of_hooks()
        waiting = Pending(hook, awaitable, loop, tell)
        if len(self._pending) >= self.max_pending:
            waiting.drop()
            raise OverloadedError(f"{self.max_pending} hooks have not answered yet")
        number = next(self._numbers)
        self._pending[number] = waiting
        if running is not None:
            self._start(number)
            return number
        try:
            loop.call_soon_threadsafe(self._start, number)
        except RuntimeError:  # the loop is closed
            del self._pending[number]
            waiting.drop()
            raise
        return number

    def _start(self, number: int) -> None:
        waiting = self._pending.get(number)
        if waiting is None or waiting.gone:
            self._pending.pop(number, None)
            if waiting is not None:
                waiting.drop()
            return
        waiting.task = waiting.start()
        waiting.task.add_done_callback(lambda task: self._finished(number, task))

    def _finished(self, number: int, task: asyncio.Future[Any]) -> None:
        waiting = self._pending.pop(number, None)
        if waiting is None:
            return
        answer: Any = NO_ANSWER
        try:
            answer = task.result()
        except asyncio.CancelledError as error:
            if not waiting.gone:
                self.report(waiting.hook, error)
        except BaseException as error:
            self.report(waiting.hook, error)
        try:
            waiting.tell(answer)
        except Exception as error:
            self.report(waiting.hook, error)

    def abandon(self, number: int) -> None:
        """Nobody waits for it any more."""
        waiting = self._pending.get(number)
        if waiting is None:
            return
        if waiting.loop is asyncio._get_running_loop():
            waiting.cancel()
            return
        waiting.gone = True
        try:
            waiting.loop.call_soon_threadsafe(waiting.cancel)
        except RuntimeError:  # its loop is closed, and the task with it
            self._pending.pop(number, None)

    # ---- the hooks -------------------------------------------------------------------------------

    def authorize(self, r: Any, token: int) -> int:
        request = Request(r)
        try:
            assert self.hooks.authorize is not None
            answer = self.hooks.authorize(request)
            if answer is True:
                return ALLOW
            if answer is False:
                return DENY
            if isinstance(answer, Identity):
                _complete(token, answer)
                return PENDING
            if not inspect.isawaitable(answer):
                _decision(answer)  # raises
            request._detach()
            number = self.later("authorize", answer, lambda given: _tell_answer(token, given))
            if self._told_ends:
                key = int(ffi.cast("uintptr_t", r))
                self.abandon(self._by_request.get(key, -1))  # an earlier question about it
                self._by_request[key] = number
            return PENDING
        except BaseException as error:
            self.report("authorize", error)
            return DENY
        finally:
            request._end()

    def request_end(self, r: Any) -> None:
        number = self._by_request.pop(int(ffi.cast("uintptr_t", r)), None)
        if number is not None:
            self.abandon(number)
        if self._serving:
            self._serving.end(r)
        if self.hooks.on_request_end is not None:
            self._tell("on_request_end", self.hooks.on_request_end, Request(r, at_end=True))

    def _tell(self, name: str, hook: Callable[[Any], None], view: Request | Conn) -> None:
        try:
            hook(view)
        except BaseException as error:
            self.report(name, error)
        finally:
            view._end()

    def pick_endpoint(self, r: Any, endpoints: Any, weights: Any, active: Any, count: int) -> int:
        request = Request(r)
        try:
            assert self.hooks.on_pick_endpoint is not None
            those = [Endpoint(string(endpoints[i]), weights[i], active[i]) for i in range(count)]
            picked = self.hooks.on_pick_endpoint(request, those)
            if picked is None:
                return -1
            if type(picked) is not int or not 0 <= picked < count:
                raise TypeError(f"on_pick_endpoint answers a number under {count} or None, not {picked!r}")
            return picked
        except BaseException as error:
            self.report("on_pick_endpoint", error)
            return -1
        finally:
            request._end()

    def health(self, cluster: str, endpoint: str, health: int, cause: str) -> None:
        try:
            assert self.hooks.on_health is not None
            self.hooks.on_health(cluster, endpoint, Health(health), cause)
        except BaseException as error:
            self.report("on_health", error)

    def health_check(self, cluster: str, endpoint: str, token: int) -> int:
        try:
            assert self.hooks.health_check is not None
            answer = self.hooks.health_check(cluster, endpoint)
            if isinstance(answer, bool):
                return ALLOW if answer else DENY
            if not inspect.isawaitable(answer):
                raise TypeError(f"health_check answers True or False, not {answer!r}")
            self.later("health_check", answer, lambda given: self._tell_health(token, given))
            return PENDING
        except BaseException as error:
            self.report("health_check", error)
            return DENY

    def _tell_health(self, token: int, answer: Any) -> None:
        proxy = self.proxy()
        if proxy is not None:
            lib.cardea_health_check_complete(proxy, token, int(answer is True))
        if answer is not NO_ANSWER and not isinstance(answer, bool):
            raise TypeError(f"health_check answers True or False, not {answer!r}")


def _decision(answer: Any) -> Answer:
    if isinstance(answer, (bool, Identity)):
        return answer
    raise TypeError(f"authorize answers True, False or an Identity, not {answer!r}")


def _complete(token: int, answer: Answer) -> None:
    """ESTALE is no error: the request did not wait."""
    text = answer.to_json() if isinstance(answer, Identity) else b""
    lib.cardea_authorize_complete(token, ALLOW if answer else DENY, text or ffi.NULL, len(text))


def _tell_answer(token: int, answer: Any) -> None:
    try:
        _complete(token, answer is not NO_ANSWER and _decision(answer))
    except Exception:
        _complete(token, False)
        raise


def _hook(name: str, signature: str, error: Any = None, forgotten: Callable[..., Any] | None = None) -> Callable[[F], F]:
    """The body of a callback of the proxy's; `error` is also the answer when the host has forgotten proxy and worker."""

    def install(body: F) -> F:
        def entered(ud: Any, *arguments: Any) -> Any:
            dispatch = ffi.from_handle(ud)()
            if dispatch is None:
                return forgotten(*arguments) if forgotten else error
            thread = threading.get_ident()
            hooking.add(thread)
            try:
                return body(dispatch, *arguments)
            finally:
                hooking.discard(thread)

        callback(name, signature, error)(entered)
        return body

    return install


@_hook("authorize", "int(void *, cardea_request *, cardea_token)", error=DENY)
def _authorize(dispatch: Dispatch, r: Any, token: int) -> int:
    return dispatch.authorize(r, token)


@_hook("request_end", "void(void *, cardea_request *)")
def _request_end(dispatch: Dispatch, r: Any) -> None:
    dispatch.request_end(r)


@_hook("conn_open", "void(void *, cardea_conn *)")
def _conn_open(dispatch: Dispatch, c: Any) -> None:
    if dispatch.hooks.on_conn_open:
        dispatch._tell("on_conn_open", dispatch.hooks.on_conn_open, Conn(c))


@_hook("conn_close", "void(void *, cardea_conn *)")
def _conn_close(dispatch: Dispatch, c: Any) -> None:
    if dispatch.hooks.on_conn_close:
        dispatch._tell("on_conn_close", dispatch.hooks.on_conn_close, Conn(c))


@_hook(
    "pick_endpoint", "int(void *, cardea_request *, const cardea_str *, const uint32_t *, const uint32_t *, size_t)", error=-1
)
def _pick_endpoint(dispatch: Dispatch, r: Any, endpoints: Any, weights: Any, active: Any, count: int) -> int:
    return dispatch.pick_endpoint(r, endpoints, weights, active, count)


@_hook("health", "void(void *, const cardea_str *, const cardea_str *, int, const cardea_str *)")
def _health(dispatch: Dispatch, cluster: Any, endpoint: Any, health: int, cause: Any) -> None:
    dispatch.health(string(cluster), string(endpoint), health, string(cause))


@_hook("health_check", "int(void *, const cardea_str *, const cardea_str *, cardea_token)", error=DENY)
def _health_check(dispatch: Dispatch, cluster: Any, endpoint: Any, token: int) -> int:
    return dispatch.health_check(string(cluster), string(endpoint), token)


def _nobody_serves(r: Any, token: int) -> None:
    lib.cardea_answer_abort(token)


@_hook("request", "void(void *, cardea_request *, cardea_token)", forgotten=_nobody_serves)
def _request(dispatch: Dispatch, r: Any, token: int) -> None:
    if dispatch._serving:
        dispatch._serving.request(r, token)


@_hook("readable", "void(void *, cardea_token)")
def _readable(dispatch: Dispatch, token: int) -> None:
    if dispatch._serving:
        dispatch._serving.readable(token)


@_hook("writable", "void(void *, cardea_token)")
def _writable(dispatch: Dispatch, token: int) -> None:
    if dispatch._serving:
        dispatch._serving.writable(token)


@_hook("request_start", "void(void *, cardea_request *)")
def _request_start(dispatch: Dispatch, r: Any) -> None:
    if dispatch.hooks.on_request_start:
        dispatch._tell("on_request_start", dispatch.hooks.on_request_start, Request(r))
