"""What callbacks are shown: views that end with their callback, and copies that stay."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from threading import get_ident
from typing import Any, ClassVar, NamedTuple, cast

from ._errors import StaleError, WrongThreadError, check
from ._native import ffi, lib, raw, string

_HEADERS_AT_ONCE = 32


class Endpoint(NamedTuple):
    """One that may take a request."""

    address: str
    weight: int
    active: int
    """Requests on it now, over all workers."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: an answer of `authorize` that allows."""

    user: str
    email: str | None = None
    name: str | None = None
    groups: list[str] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    expires_at: float | None = None
    """Unix seconds: the permission ends then."""

    def to_json(self) -> bytes:
        if not isinstance(self.user, str) or not self.user:
            raise TypeError("an identity has a user")
        if isinstance(self.groups, (str, bytes)):
            raise TypeError("groups are a list of texts")
        given: dict[str, Any] = {"user": self.user}
        for key in ("email", "name", "groups", "claims"):
            if value := getattr(self, key):
                given[key] = value
        if self.expires_at is not None:
            given["expires_at"] = int(self.expires_at)
        return json.dumps(given, allow_nan=False).encode()


class _View:
    """Reads from the library while its callback runs, on its thread; from a copy afterwards."""

    __slots__ = ("_copied", "_parent", "_ptr", "_thread")
    _get_str: ClassVar[Any]
    _get_int: ClassVar[Any]

    def __init__(self, ptr: Any, parent: _View | None = None) -> None:
        self._ptr = ptr
        self._parent = parent  # ends with it
        self._thread = get_ident()
        self._copied: dict[str, Any] | None = None

    def _end(self) -> None:
        self._ptr = None

    def _live(self) -> Any:
        ptr = self._ptr
        if ptr is None or (self._parent is not None and self._parent._ptr is None):
            raise StaleError(lib.CARDEA_ESTALE, "this was lent for the length of its callback; keep what copy() gives")
        if get_ident() != self._thread:
            raise WrongThreadError(lib.CARDEA_EWRONGTHREAD, "this is lent to the thread of its callback")
        return ptr

    def _from_copy(self, name: str) -> Any:
        assert self._copied is not None
        if name not in self._copied:
            raise StaleError(lib.CARDEA_ESTALE, f"{name} was not known when this was copied")
        return self._copied[name]

    def _text(self, name: str, what: int) -> str:
        if self._copied is not None:
            return decoded(self._from_copy(name))
        out = ffi.new("cardea_str *")
        check(self._get_str(self._live(), what, out))
        return string(out)

    def _number(self, name: str, what: int) -> int:
        if self._copied is not None:
            return cast(int, self._from_copy(name))
        out = ffi.new("int64_t *")
        check(self._get_int(self._live(), what, out))
        return cast(int, out[0])

    def _read(self, texts: list[tuple[str, int]], numbers: list[tuple[str, int]]) -> dict[str, Any]:
        """What a copy keeps: texts as bytes, since few of them are looked at."""
        ptr, out, number = self._live(), ffi.new("cardea_str *"), ffi.new("int64_t *")
        get_str, get_int, unpack = self._get_str, self._get_int, ffi.unpack
        copied: dict[str, Any] = {}
        for name, what in texts:
            if get_str(ptr, what, out) == 0:
                size = out.len
                copied[name] = unpack(out.ptr, size) if size else b""
        for name, what in numbers:
            if get_int(ptr, what, number) == 0:
                copied[name] = number[0]
        return copied


class _Text:
    """A text of a view, by its number in cardea.h."""

    def __init__(self, what: int, late: bool = False) -> None:
        self.what = what
        self.late = late  # not known before the end

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, view: _View, owner: object = None) -> str:
        if view is None:
            return cast(str, self)
        return view._text(self.name, self.what)


class _Number:
    def __init__(self, what: int, late: bool = False) -> None:
        self.what = what
        self.late = late

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, view: _View, owner: object = None) -> int:
        if view is None:
            return cast(int, self)
        return view._number(self.name, self.what)


class Conn(_View):
    """A connection of a client."""

    __slots__ = ()
    _get_str = staticmethod(lib.cardea_conn_get_str)
    _get_int = staticmethod(lib.cardea_conn_get_int)

    id = _Number(9)  # unique in the process
    peer = _Text(8)
    listener = _Text(9)
    protocol = _Text(15)  # "HTTP/1.1", "HTTP/2.0"
    tls_version = _Text(16)  # "TLSv1.3"; empty without TLS
    sni = _Text(17)

    def copy(self) -> Conn:
        """The same, to keep."""
        conn = Conn(None)
        conn._copied = self._copied if self._copied is not None else self._read(*_CONN)
        return conn


class Request(_View):
    """A request. Texts are empty and numbers 0 where there is nothing to tell."""

    __slots__ = ("_at_end",)
    _get_str = staticmethod(lib.cardea_request_get_str)
    _get_int = staticmethod(lib.cardea_request_get_int)

    id = _Text(1)
    method = _Text(2)
    host = _Text(3)  # without port, as the client wrote it
    path = _Text(4)  # normalised, without query: what was matched
    query = _Text(5)  # with "?", or empty
    route = _Text(6)  # its name
    client_ip = _Text(7)  # by X-Forwarded-For and the trusted hops, else the peer's
    peer = _Text(8)  # address of the connection
    listener = _Text(9)
    identity = _Text(10)  # the user's id; empty: nobody is known
    protocol = _Text(15)
    tls_version = _Text(16)
    sni = _Text(17)
    email = _Text(20)
    certificate_fingerprint = _Text(21)  # of the client's certificate, trusted or not
    rule = _Text(22)  # the rule that decided
    generation = _Number(8)  # of the configuration that it began with
    conn_id = _Number(9)
    policy_generation = _Number(12)  # of the configuration that judged it last

    # From here on: on_request_end.
    endpoint = _Text(12, late=True)  # address of the service; empty when none was picked
    cluster = _Text(25, late=True)
    cause = _Text(13, late=True)  # "ok", "denied:by_rule", "truncated:upstream_reset", ...
    flags = _Text(14, late=True)  # Envoy's response flag, "-" for none
    status = _Number(1, late=True)  # 0: the client got no answer
    bytes_in = _Number(2, late=True)  # of the request's body
    bytes_out = _Number(3, late=True)  # of the answer's body
    duration_ms = _Number(4, late=True)
    connect_ms = _Number(5, late=True)  # 0: a pooled connection
    first_byte_ms = _Number(6, late=True)
    attempts = _Number(7, late=True)

    # What is read as something else than it is stored.
    _policy_data = _Text(11)
    _reasons = _Text(23)
    _reauthorized = _Number(11)
    _truncated = _Number(10, late=True)
    _access_record = _Text(18, late=True)

    def __init__(self, ptr: Any, at_end: bool = False) -> None:
        super().__init__(ptr)
        self._at_end = at_end

    @property
    def policy_data(self) -> Any:
        """What the route's policy passes on to `authorize`; None: nothing."""
        text = self._policy_data
        return json.loads(text) if text else None

    @property
    def reasons(self) -> list[str]:
        """Why it was allowed or denied, in Pomerium's words."""
        text = self._reasons
        return text.split(",") if text else []

    @property
    def reauthorized(self) -> bool:
        """In `authorize`: it has passed before and lives; False ends it."""
        return bool(self._reauthorized)

    @property
    def truncated(self) -> bool:
        """Cut after the answer's head was sent."""
        return bool(self._truncated)

    @property
    def access_record(self) -> dict[str, Any]:
        """The exchange as one record (on_request_end)."""
        return cast("dict[str, Any]", json.loads(self._access_record))

    @property
    def live_record(self) -> dict[str, Any]:
        """The exchange as it is now; not in copies."""
        return cast("dict[str, Any]", json.loads(self._text("live_record", lib.CARDEA_STR_LIVE_RECORD)))

    @property
    def conn(self) -> Conn:
        """Its connection; lent as long as the request is."""
        if self._copied is None:
            return Conn(lib.cardea_request_conn(self._live()), self)
        conn = Conn(None)
        conn._copied = {name: self._copied[name] for name, _ in _CONN[0]}
        conn._copied["id"] = self._copied["conn_id"]
        return conn

    @property
    def headers(self) -> list[tuple[str, str]]:
        """All in order: as the client sent them, or in on_request_end as the service got them. The host is not among them."""
        pairs = self._raw_headers() if self._copied is None else self._from_copy("headers")
        return [(decoded(name), decoded(value)) for name, value in pairs]

    def _raw_headers(self) -> list[tuple[bytes, bytes]]:
        ptr, count, room, unpack = self._live(), ffi.new("size_t *"), _HEADERS_AT_ONCE, ffi.unpack
        while True:
            names, values = ffi.new("cardea_str[]", room), ffi.new("cardea_str[]", room)
            check(lib.cardea_request_headers(ptr, names, values, room, count))
            if count[0] <= room:
                return [
                    (unpack(names[i].ptr, names[i].len), unpack(values[i].ptr, values[i].len) if values[i].len else b"")
                    for i in range(count[0])
                ]
            room = count[0]

    def header(self, name: str) -> str | None:
        """The first of this name, in any case."""
        encoded = raw(name)
        if self._copied is not None:
            wanted = encoded.lower()
            return next((decoded(v) for n, v in self._from_copy("headers") if n.lower() == wanted), None)
        out = ffi.new("cardea_str *")
        code = lib.cardea_request_header(self._live(), encoded, len(encoded), out)
        if code == lib.CARDEA_ENOTFOUND:
            return None
        check(code)
        return string(out)

    def copy(self) -> Request:
        """The same, to keep."""
        request = Request(None, self._at_end)
        request._copied = self._copied if self._copied is not None else self._snapshot()
        return request

    def _detach(self) -> None:
        """The view becomes its own copy."""
        if self._copied is None:
            self._copied = self._snapshot()

    def _snapshot(self) -> dict[str, Any]:
        copied = self._read(*_SNAPSHOT[self._at_end])
        copied["headers"] = self._raw_headers()
        return copied


def decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def _fields(view: type, kind: type[_Text] | type[_Number], late: bool) -> list[tuple[str, int]]:
    return [(name, d.what) for name, d in vars(view).items() if isinstance(d, kind) and (late or not d.late)]


# What is known when a request is authorized, and at its end.
_SNAPSHOT = [(_fields(Request, _Text, late), _fields(Request, _Number, late)) for late in (False, True)]
_CONN = _fields(Conn, _Text, True), _fields(Conn, _Number, True)
