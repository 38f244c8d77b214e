"""The library: compiled against (`_api`) or loaded at run time by the same declarations. Nothing else knows which."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

ffi: Any
lib: Any
MODE: str
"""`api`: compiled against the installed library; `abi`: loaded at run time."""


def _load() -> tuple[Any, Any, str]:
    why = ""
    if os.environ.get("CARDEA_PYTHON_MODE") != "abi":
        try:
            api = importlib.import_module("cardea._api")
            return api.ffi, api.lib, "api"
        except ImportError as error:
            why = f" (the compiled form: {error})"  # not built, or the library is elsewhere now
    from cffi import FFI

    loader = FFI()
    loader.cdef((Path(__file__).parent / "_declarations.h").read_text("ascii"))
    name = os.environ.get("CARDEA_LIBRARY", "libcardea.so.0")
    try:
        return loader, loader.dlopen(name), "abi"
    except OSError as error:
        raise ImportError(f"the Cardea library cannot be loaded: {error}; CARDEA_LIBRARY may name its file{why}") from error


ffi, lib, MODE = _load()

VERSION = (0 << 16) | (1 << 8) | 0  # of the interface that this binding was written for
if lib.cardea_init(VERSION, 0, ffi.NULL) != 0:
    found = ffi.string(lib.cardea_version_string()).decode()
    raise ImportError(f"this binding needs Cardea 0.1 or a later 0.x, not {found}")

_kept: dict[str, Any] = {}  # ABI mode: the C function lives as long as this object


def callback(name: str, signature: str, error: Any = None) -> Callable[[F], F]:
    """Makes the function the body of C function `cardea_py_<name>`; `error` is what C gets when it raises."""

    def install(body: F) -> F:
        if MODE == "api":
            ffi.def_extern(name="cardea_py_" + name, error=error)(body)
        else:
            _kept[name] = ffi.callback(signature, body, error=error)
        return body

    return install


def c_function(name: str) -> Any:
    return getattr(lib, "cardea_py_" + name) if MODE == "api" else _kept[name]


class Handles:
    """What C holds by pointer stays here until C says that it is done with it."""

    def __init__(self) -> None:
        self._held: dict[int, Any] = {}

    def hold(self, value: object) -> Any:
        handle = ffi.new_handle(value)
        self._held[int(ffi.cast("uintptr_t", handle))] = handle
        return handle

    def drop(self, pointer: Any) -> Any:
        """The value, held no more."""
        value = ffi.from_handle(pointer)
        self._held.pop(int(ffi.cast("uintptr_t", pointer)), None)
        return value

    def __len__(self) -> int:
        return len(self._held)


handles = Handles()


def text(pointer: Any, size: int) -> str:
    """Bytes of the wire as text that can be turned back into them."""
    return ffi.unpack(pointer, size).decode("utf-8", "surrogateescape") if size else ""


def string(s: Any) -> str:
    """A cardea_str."""
    return text(s.ptr, s.len)


def raw(value: str | bytes) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"text or bytes are wanted, not {type(value).__name__}")  # bytes(8080) would be 8,080 NULs


def c_string(value: str | os.PathLike[str]) -> bytes:
    """For those that end with NUL: what follows one would be lost."""
    encoded = os.fsencode(value)
    if b"\0" in encoded:
        raise ValueError("a NUL in text")
    return encoded


@callback("free", "void(void *)")
def _free(ud: Any) -> None:
    handles.drop(ud)
