"""Codes as exceptions."""

from __future__ import annotations

from typing import Any

from ._native import ffi, lib


class Error(Exception):
    """What Cardea answered. `str()` is the message."""

    code: int
    """The negative number of `cardea.h`."""
    name: str
    """Its name, such as `CARDEA_EINVAL`."""
    message: str
    """What is wrong, with a line for each fault of a configuration."""
    source_code: int
    """errno or a library's own code; 0: none."""

    def __init__(self, code: int, message: str | None = None, source_code: int = 0) -> None:
        self.code = code
        self.name = ffi.string(lib.cardea_errname(code)).decode()
        self.message = message or ffi.string(lib.cardea_strerror(code)).decode()
        self.source_code = source_code
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code, self.message, self.source_code)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {self.message}>"


class InvalidArgumentError(Error, ValueError):
    """An argument is out of its domain."""


class OutOfMemoryError(Error, MemoryError):
    pass


class SealedError(Error):
    """The object is frozen; nothing changed."""


class ConfigError(Error, ValueError):
    """The configuration is not valid; the message has a line for each fault."""


class OsError(Error, OSError):
    """The operating system refused; `source_code` and `errno` are its number."""

    def __init__(self, code: int, message: str | None = None, source_code: int = 0) -> None:
        super().__init__(code, message, source_code)
        self.errno = source_code or None


class TlsError(Error):
    """A key or certificate is not usable."""


class AddressInUseError(OsError):
    pass


class NotFoundError(Error, LookupError):
    pass


class NotSupportedError(Error):
    """Not on this platform, not in this build, or not built yet."""


class StaleError(Error):
    """What this named or showed is over."""


class ReentrantError(Error, RuntimeError):
    """A loop was driven from inside one of its own callbacks."""


class WrongThreadError(Error, RuntimeError):
    """This belongs to another thread."""


class ClosedError(Error, RuntimeError):
    """Used after its end."""


class TimedOutError(Error, TimeoutError):
    pass


class ForkedError(Error, RuntimeError):
    """A forked child may not use its parent's worker."""


class BusyError(Error):
    """Not now, or a bound is reached."""


_CLASSES: dict[int, type[Error]] = {
    -1: InvalidArgumentError,
    -2: OutOfMemoryError,
    -4: SealedError,
    -5: ConfigError,
    -6: OsError,
    -7: TlsError,
    -8: AddressInUseError,
    -9: NotFoundError,
    -10: NotSupportedError,
    -11: StaleError,
    -12: ReentrantError,
    -13: WrongThreadError,
    -14: ClosedError,
    -15: TimedOutError,
    -16: ForkedError,
    -18: BusyError,
}


def error_of(code: int, message: str | None = None, source_code: int = 0) -> Error:
    return _CLASSES.get(code, Error)(code, message, source_code)


def closed(what: str) -> ClosedError:
    return ClosedError(lib.CARDEA_ECLOSED, f"{what} is closed")


def invalid(message: str) -> InvalidArgumentError:
    return InvalidArgumentError(lib.CARDEA_EINVAL, message)


def check(code: int, error: Any = None) -> int:
    """The code when it is none; otherwise raises, with what `error` (a `cardea_error **`) says."""
    if code >= 0:
        return code
    if error is not None and error[0]:
        message = ffi.string(lib.cardea_error_message(error[0])).decode("utf-8", "replace")
        source = lib.cardea_error_source_code(error[0])
        lib.cardea_error_free(error[0])
        raise error_of(code, message, source)
    raise error_of(code)


def out_error() -> Any:
    return ffi.new("cardea_error **")
