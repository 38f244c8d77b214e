"""Configurations: from dicts, text and files, or object by object. Frozen by seal()."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Union

from ._errors import NotFoundError, check, out_error
from ._native import c_string, ffi, lib, raw, string
from ._options import OptionType, Owner, number_of, set_options, to_json

StrPath = Union[str, "os.PathLike[str]"]

# A draft is for one thread at a time, and attaching touches two of them.
_drafts = threading.RLock()


class _Draft:
    """A counted object of the library; it goes when nothing refers to it."""

    _kind: str
    _owner: Owner

    def __init__(self) -> None:
        out = ffi.new(f"cardea_{self._kind} **")
        check(getattr(lib, f"cardea_{self._kind}_new")(out))
        self._adopt(out[0])

    def _adopt(self, pointer: Any) -> None:
        self._ptr = ffi.gc(pointer, getattr(lib, f"cardea_{self._kind}_unref"))

    def set(self, options: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Sets options by the names of the configuration file. Durations: seconds, a timedelta, or text such as "500ms"."""
        with _drafts:
            set_options(
                self._owner,
                getattr(lib, f"cardea_{self._kind}_set_int"),
                getattr(lib, f"cardea_{self._kind}_set_str"),
                self._ptr,
                {**(options or {}), **more},
            )

    def _attach(self, function: Any, other: _Draft, wanted: type) -> None:
        if not isinstance(other, wanted):
            raise TypeError(f"a {wanted.__name__} is wanted, not {type(other).__name__}")
        with _drafts:
            check(function(self._ptr, other._ptr))


class Tls(_Draft):
    """Certificates with their keys, chosen by SNI; the first is the default."""

    _kind = "tls"

    def __init__(self, cert_file: StrPath | None = None, key_file: StrPath | None = None) -> None:
        super().__init__()
        if (cert_file is None) != (key_file is None):
            raise TypeError("a certificate comes with its key")
        if cert_file is not None and key_file is not None:
            self.add_file(cert_file, key_file)

    def set(self, options: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        raise TypeError("Tls has no options; certificates are added to it")

    def add(self, cert: str | bytes, key: str | bytes) -> None:
        """PEM texts; the chain with the leaf first."""
        c, k, error = raw(cert), raw(key), out_error()
        with _drafts:
            check(lib.cardea_tls_add_cert(self._ptr, c, len(c), k, len(k), error), error)

    def add_file(self, cert_file: StrPath, key_file: StrPath) -> None:
        error = out_error()
        with _drafts:
            check(lib.cardea_tls_add_cert_file(self._ptr, c_string(cert_file), c_string(key_file), error), error)


class Policy(_Draft):
    """Who may pass. `Policy(rules)` reads Pomerium's language: text, or the same as lists and dicts."""

    _kind = "policy"

    def __init__(self, rules: str | list[Any] | Mapping[str, Any]) -> None:
        text = raw(rules if isinstance(rules, str) else to_json(rules))
        out, error = ffi.new("cardea_policy **"), out_error()
        check(lib.cardea_policy_parse(text, len(text), out, error), error)
        self._adopt(out[0])

    @classmethod
    def public(cls) -> Policy:
        """Everybody may pass."""
        policy = cls.__new__(cls)
        out = ffi.new("cardea_policy **")
        check(lib.cardea_policy_public(out))
        policy._adopt(out[0])
        return policy

    @classmethod
    def host(cls, data: object = None) -> Policy:
        """Asks the proxy's `authorize`; `data`, anything that JSON can say, comes back as `request.policy_data`."""
        return cls({"allow": {"or": [{"host": data}]}})

    def set(self, options: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        raise TypeError("Policy has no options")


class Cluster(_Draft):
    """Where requests go: `Cluster("http://10.0.0.1:8080", ("http://10.0.0.2:8080", 3), connect_timeout=0.5)`."""

    _kind = "cluster"
    _owner = Owner.CLUSTER

    def __init__(self, *endpoints: str | tuple[str, int], **options: Any) -> None:
        super().__init__()
        for endpoint in endpoints:
            if isinstance(endpoint, str):
                self.add_endpoint(endpoint)
            else:
                self.add_endpoint(*endpoint)
        self.set(options)

    def add_endpoint(self, url: str, weight: int = 1) -> None:
        encoded = raw(url)
        with _drafts:
            check(lib.cardea_cluster_add_endpoint(self._ptr, encoded, len(encoded), weight))


class Route(_Draft):
    """`Route("https://app.example", policy=Policy.public(), cluster=Cluster(...), prefix="/api")`. Without a policy it answers 403."""

    _kind = "route"
    _owner = Owner.ROUTE

    def __init__(self, origin: str, *, policy: Policy | None = None, cluster: Cluster | None = None, **options: Any) -> None:
        encoded = raw(origin)
        out = ffi.new("cardea_route **")
        check(lib.cardea_route_new(encoded, len(encoded), out))
        self._adopt(out[0])
        if policy is not None:
            self.set_policy(policy)
        if cluster is not None:
            self.set_cluster(cluster)
        self.set(options)

    def set_policy(self, policy: Policy) -> None:
        self._attach(lib.cardea_route_set_policy, policy, Policy)

    def set_cluster(self, cluster: Cluster) -> None:
        self._attach(lib.cardea_route_set_cluster, cluster, Cluster)


class Listener(_Draft):
    """`Listener("127.0.0.1:8443", tls=Tls("app.pem", "app.key"))`; also ":443", "[::1]:0", "unix:/path"."""

    _kind = "listener"
    _owner = Owner.LISTENER

    def __init__(self, address: str, *, tls: Tls | None = None, **options: Any) -> None:
        encoded = raw(address)
        out = ffi.new("cardea_listener **")
        check(lib.cardea_listener_new(encoded, len(encoded), out))
        self._adopt(out[0])
        if tls is not None:
            self.set_tls(tls)
        self.set(options)

    def set_tls(self, tls: Tls) -> None:
        self._attach(lib.cardea_listener_set_tls, tls, Tls)


class Config(_Draft):
    """`Config({...})` has the configuration file's keys; `Config(listeners=[...], routes=[...], **options)` has objects."""

    _kind = "config"
    _owner = Owner.GLOBAL

    def __init__(
        self,
        source: Mapping[str, Any] | None = None,
        *,
        name: str = "config",
        listeners: Iterable[Listener] = (),
        routes: Iterable[Route] = (),
        **options: Any,
    ) -> None:
        self._sealed = False
        if source is None:
            super().__init__()
        else:
            self._load(to_json(dict(source)), name)
        for listener in listeners:
            self.add_listener(listener)
        for route in routes:
            self.add_route(route)
        self.set(options)

    @classmethod
    def from_text(cls, text: str | bytes, name: str = "config") -> Config:
        """YAML or JSON. Files that it names are relative to the folder of `name`, which also stands in messages."""
        config = cls.__new__(cls)
        config._sealed = False
        config._load(text, name)
        return config

    @classmethod
    def from_file(cls, path: StrPath) -> Config:
        return cls.from_text(Path(path).read_bytes(), os.fspath(path))

    def _load(self, text: str | bytes, name: str) -> None:
        encoded, out, error = raw(text), ffi.new("cardea_config **"), out_error()
        check(lib.cardea_config_load(encoded, len(encoded), c_string(name), out, error), error)
        self._adopt(out[0])

    def add_listener(self, listener: Listener) -> None:
        self._attach(lib.cardea_config_add_listener, listener, Listener)

    def add_route(self, route: Route) -> None:
        """The first that fits a request takes it."""
        self._attach(lib.cardea_config_add_route, route, Route)

    def seal(self) -> Config:
        """Checks everything, loads keys and certificates, freezes this and all that is attached. Again: nothing happens."""
        with _drafts:
            if not self._sealed:
                error = out_error()
                check(lib.cardea_config_seal(self._ptr, error), error)
                self._sealed = True
        return self

    @property
    def sealed(self) -> bool:
        return self._sealed

    def get(self, name: str) -> int | bool | float | str:
        """A global option of a sealed configuration: numbers as they take effect, durations in seconds, text as it was set."""
        number = number_of(Owner.GLOBAL, name)
        if number is None:
            raise NotFoundError(lib.CARDEA_ENOTFOUND, f"no global option is named {name}")
        kind = lib.cardea_option_type(number)
        if kind in (OptionType.STRING, OptionType.STRINGS):
            text = ffi.new("cardea_str *")
            with _drafts:
                check(lib.cardea_config_get_str(self._ptr, number, text))
                return string(text)
        value = ffi.new("int64_t *")
        check(lib.cardea_config_get_int(self._ptr, number, value))
        if kind == OptionType.BOOL:
            return bool(value[0])
        return value[0] / 1000 if kind == OptionType.DURATION else int(value[0])

    def _walk(self, function: Any) -> list[str]:
        found: list[str] = []
        text = ffi.new("cardea_str *")
        with _drafts:
            while (code := function(self._ptr, len(found), text)) != lib.CARDEA_ENOTFOUND:
                check(code)
                found.append(string(text))
        return found

    @property
    def files(self) -> list[str]:
        """The files that were read: what to watch."""
        return self._walk(lib.cardea_config_file)

    @property
    def schemes(self) -> list[str]:
        """What each listener of a sealed configuration speaks: "https" or "http"."""
        return self._walk(lib.cardea_config_listener_scheme)


def sealed(config: Config | Mapping[str, Any]) -> Config:
    return (config if isinstance(config, Config) else Config(config)).seal()
