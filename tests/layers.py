#!/usr/bin/env python3
"""Holds the architecture: which folder may include which, and the one place where each library is named."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
MAY = {  # a folder and those that it may include besides itself
    "base": [],
    "limit": ["base"],
    "identity": ["base"],
    "token": ["base", "identity"],
    "yaml": ["base"],
    "net": ["base"],
    "tls": ["base", "net", "identity"],
    "http": ["base"],
    "route": ["base", "http", "balance"],
    "policy": ["base", "yaml", "identity"],
    "wire": ["base", "net", "http"],
    "admin": ["base", "net", "http", "wire"],
    "balance": ["base"],
    "health": ["base", "net", "tls", "http", "wire"],
    "cluster": ["base", "net", "tls", "http", "wire", "yaml", "balance", "health"],
    "config": ["base", "net", "tls", "http", "route", "policy", "cluster", "yaml", "identity", "token", "balance", "health", "limit"],
    "proxy": ["base", "net", "tls", "http", "route", "policy", "cluster", "config", "wire", "identity", "token", "yaml", "admin", "balance", "health", "limit"],
}
LIBRARIES = {  # a library's headers and the places that may include them
    r"uv\.h": [r"lib/net/", r"capi/worker\.cc", r"capi/examples/uv_host\.cc"],
    r"openssl/": [r"lib/tls/", r"lib/token/"],
    r"jansson\.h": [r"lib/token/"],
    r"date/": [r"lib/policy/calendar"],
    r"llhttp\.h": [r"lib/http/h1"],
    r"nghttp2/": [r"lib/http/h2"],
    r"ares(_\w+)?\.h": [r"lib/net/dns"],
    r"re2/": [r"lib/route/", r"lib/tls/client_trust"],
    r"yaml\.h": [r"lib/yaml/"],
}
faults = []
for path in sorted([*ROOT.glob("lib/*/*"), *ROOT.glob("capi/**/*.cc"), *ROOT.glob("capi/*.h")]):
    if path.suffix not in (".h", ".cc", ".def"):
        continue
    name = path.relative_to(ROOT).as_posix()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'\s*#include ([<"])([^>"]+)[>"]', line)
        if not found:
            continue
        quoted, header = found.group(1) == '"', found.group(2)
        where = f"{name}:{number}: includes {header}"
        if name.startswith("capi/demo/") and quoted and not (path.parent / header).exists():
            faults.append(f"{where}: the demo uses cardea.h and its own files alone")
        folder = header.split("/")[0]
        own = name.split("/")[1]
        if quoted and name.startswith("lib/") and folder in MAY and folder != own and folder not in MAY[own]:
            faults.append(f"{where}: {own} may only include {', '.join(MAY[own]) or 'nothing'}")
        if quoted and name.startswith("lib/") and folder not in MAY:
            faults.append(f"{where}: lib/ includes only from lib/")
        for pattern, places in LIBRARIES.items():
            if not quoted and re.fullmatch(pattern + (".*" if pattern.endswith("/") else ""), header):
                if not any(name.startswith(p.replace("\\", "")) for p in places):
                    faults.append(f"{where}: belongs in {', '.join(places)}")
print("\n".join(faults) or "layers: fine")
sys.exit(bool(faults))
