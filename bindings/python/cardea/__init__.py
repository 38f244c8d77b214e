"""Cardea: the life of a proxied connection inside your process. README.md has the first steps."""

from ._asgi import asgi
from ._config import Cluster, Config, Listener, Policy, Route, Tls
from ._drain import Drain
from ._errors import (
    AddressInUseError,
    BusyError,
    ClosedError,
    ConfigError,
    Error,
    ForkedError,
    InvalidArgumentError,
    NotFoundError,
    NotSupportedError,
    OsError,
    OutOfMemoryError,
    ReentrantError,
    SealedError,
    StaleError,
    TimedOutError,
    TlsError,
    WrongThreadError,
)
from ._hooks import Health, OverloadedError
from ._log import log_to
from ._native import MODE, ffi as _ffi, lib as _lib
from ._options import Option, OptionType, Owner, options
from ._proxy import Metric, Proxy
from ._reply import Reply
from ._request import Conn, Endpoint, Identity, Request
from ._serve import serve
from ._served import Answer, Served
from ._worker import Worker

__version__ = "0.1.0"


def library_version() -> str:
    """Of the library that is in use."""
    return str(_ffi.string(_lib.cardea_version_string()).decode())


def features() -> frozenset[str]:
    """What the library was built with: of "tls", "http2", "dns"."""
    mask = _lib.cardea_features()
    return frozenset(name for bit, name in ((1, "tls"), (2, "http2"), (4, "dns")) if mask & bit)


__all__ = [
    "MODE",
    "AddressInUseError",
    "Answer",
    "BusyError",
    "ClosedError",
    "Cluster",
    "Config",
    "ConfigError",
    "Conn",
    "Drain",
    "Endpoint",
    "Error",
    "ForkedError",
    "Health",
    "Identity",
    "InvalidArgumentError",
    "Listener",
    "Metric",
    "NotFoundError",
    "NotSupportedError",
    "Option",
    "OptionType",
    "OsError",
    "OutOfMemoryError",
    "OverloadedError",
    "Owner",
    "Policy",
    "Proxy",
    "ReentrantError",
    "Reply",
    "Request",
    "Route",
    "SealedError",
    "Served",
    "StaleError",
    "TimedOutError",
    "Tls",
    "TlsError",
    "Worker",
    "WrongThreadError",
    "asgi",
    "features",
    "library_version",
    "log_to",
    "options",
    "serve",
]

for _name in __all__:
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = __name__
