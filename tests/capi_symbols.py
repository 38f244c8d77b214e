#!/usr/bin/env python3
"""What the library exports, what the header declares and what capi/symbols.txt records are the same functions.

    capi_symbols.py LIBRARY HEADER SYMBOLS
"""
import re
import subprocess
import sys

library, header, symbols = sys.argv[1:]
node = "CARDEA_0"

declared = set(re.findall(r"^CARDEA_API [^;(]*?\b(cardea_\w+)\(", open(header).read(), re.M))

exported, faults = set(), []
listing = subprocess.run(["nm", "-D", "--defined-only", "--with-symbol-versions", library],
                         capture_output=True, text=True, check=True).stdout
for line in listing.splitlines():
    kind, name = line.split()[-2:]
    name, _, version = name.partition("@@")
    if kind == "A" and name == node:
        continue
    if kind != "T" or version != node:
        faults.append(f"exported, but no function of {node}: {line}")
    exported.add(name)

recorded = {}
for number, line in enumerate(open(symbols), 1):
    if line.startswith("#") or not line.strip():
        continue
    found = re.fullmatch(r"(cardea_\w+) (\d+\.\d+) \S.*\n", line)
    if not found:
        faults.append(f"{symbols}:{number}: not «NAME VERSION WHAT IT DOES»")
    elif found.group(1) in recorded:
        faults.append(f"{symbols}:{number}: {found.group(1)} occurs twice")
    else:
        recorded[found.group(1)] = found.group(2)

for name, one, other in (("exported", exported, declared), ("recorded in symbols.txt", set(recorded), declared)):
    faults += [f"{f} is {name} and not declared" for f in sorted(one - other)]
    faults += [f"{f} is declared and not {name}" for f in sorted(other - one)]
print(f"{len(declared)} functions declared, {len(exported)} exported, {len(recorded)} recorded")
print("\n".join(faults))
sys.exit(bool(faults) or not declared)
