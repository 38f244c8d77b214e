"""Options by name: what there are, and Python values for them."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath
from typing import Any, NamedTuple

from ._errors import NotFoundError, check, invalid
from ._native import ffi, lib, raw


class Owner(IntEnum):
    GLOBAL = 1
    LISTENER = 2
    ROUTE = 3
    CLUSTER = 4


class OptionType(IntEnum):
    BOOL = 1
    INT = 2
    DURATION = 3
    STRING = 4
    STRINGS = 5


class Option(NamedTuple):
    """One row of the option table. Durations are milliseconds here, as in the ABI."""

    number: int
    name: str
    owner: Owner
    type: OptionType
    default: int | None
    minimum: int | None
    maximum: int | None
    doc: str


def options(owner: Owner | None = None) -> list[Option]:
    """Every option, or those of one kind of object."""
    rows = []
    number = 0
    while number := lib.cardea_option_next(number):
        of = Owner(lib.cardea_option_owner(number))
        if owner is not None and of != owner:
            continue
        span = ffi.new("int64_t[3]")
        ranged = lib.cardea_option_range(number, span, span + 1, span + 2) == 0
        default, minimum, maximum = span if ranged else (None, None, None)
        rows.append(
            Option(
                number,
                ffi.string(lib.cardea_option_name(number)).decode(),
                of,
                OptionType(lib.cardea_option_type(number)),
                default,
                minimum,
                maximum,
                ffi.string(lib.cardea_option_doc(number)).decode(),
            )
        )
    return rows


def number_of(owner: Owner, name: str) -> int | None:
    encoded = raw(name)
    number: int = lib.cardea_option_by_name(owner, encoded, len(encoded))
    return number if number > 0 else None


def duration_ms(value: object, name: str) -> int:
    """Seconds or a timedelta as milliseconds. What is not 0 does not become 0, which is 'off' or 'at once'."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = value
    else:
        raise TypeError(f"{name} is a duration: seconds, a timedelta or text such as '500ms', not {type(value).__name__}")
    if not abs(seconds) < 1e12:  # nan too
        raise invalid(f"{name}: {seconds} is no duration")
    ms = round(seconds * 1000)
    if ms == 0 and seconds:
        raise invalid(f"{name}: {seconds} s is less than a millisecond")
    return ms


def _plain(value: object) -> object:
    """What json does not know by itself."""
    if isinstance(value, timedelta):
        return f"{duration_ms(value, 'value')}ms"
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (PurePath, IPv4Address, IPv4Network, IPv6Address, IPv6Network)):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no place in a configuration")


def to_json(value: object) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False)


def _lines(name: str, value: object) -> Iterator[str]:
    """The texts of an option that is a list of them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        if name.endswith("_headers") and name != "rewrite_response_headers":
            for key, item in value.items():
                yield f"{key}: {item}"
        elif name == "jwt_providers":
            for key, item in value.items():
                yield to_json({"name": key, **item})
        elif name == "allowed_idp_claims":
            for key, item in value.items():
                yield to_json({key: item})
        else:
            yield to_json(value)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield item if isinstance(item, str) else to_json(item)
    else:
        raise TypeError(f"{name} takes text, a mapping or a list of them, not {type(value).__name__}")


def _set_one(set_int: Any, set_str: Any, handle: Any, number: int, name: str, value: object) -> None:
    kind = lib.cardea_option_type(number)

    def put_text(line: str) -> None:
        encoded = raw(line)
        _told(name, value, set_str(handle, number, encoded, len(encoded)))

    if kind == OptionType.STRINGS:
        for line in list(_lines(name, value)):
            put_text(line)
    elif kind == OptionType.DURATION:
        if isinstance(value, str):
            put_text(value)
        else:
            _told(name, value, set_int(handle, number, duration_ms(value, name)))
    elif kind == OptionType.STRING:
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if not isinstance(value, str):
            raise TypeError(f"{name} is text, not {type(value).__name__}")
        put_text(value)
    else:
        wanted: type = bool if kind == OptionType.BOOL else int
        if type(value) is not wanted:
            raise TypeError(f"{name} is {'True or False' if wanted is bool else 'a whole number'}, not {value!r}")
        if not -(1 << 63) <= value < 1 << 63:  # type: ignore[operator]
            raise invalid(f"{name}: {value!r} is out of range")
        _told(name, value, set_int(handle, number, int(value)))  # type: ignore[call-overload]


def _told(name: str, value: object, code: int) -> None:
    if code == lib.CARDEA_EINVAL:
        raise invalid(f"{name}: {value!r} is out of range or not one of the values it takes")
    check(code)


def set_options(owner: Owner, set_int: Any, set_str: Any, handle: Any, values: Mapping[str, Any], prefix: str = "") -> None:
    """Sets each; a mapping under a name that is no option holds options with that name and a dot in front."""
    for key, value in values.items():
        name = prefix + key
        number = number_of(owner, name)
        if number is not None:
            _set_one(set_int, set_str, handle, number, name, value)
        elif isinstance(value, Mapping) and any(o.name.startswith(name + ".") for o in options(owner)):
            set_options(owner, set_int, set_str, handle, value, name + ".")
        else:
            near = difflib.get_close_matches(name, [o.name for o in options(owner)], 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise NotFoundError(lib.CARDEA_ENOTFOUND, f"no {owner.name.lower()} option is named {name}{hint}")
