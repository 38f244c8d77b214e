#!/usr/bin/env python3
"""Every constant of cardea.h is pinned by a row of capi_constants_test.c, and every member of its structs by its place.

    capi_constants.py HEADER CONSTANTS_TEST
"""
import re
import sys

header, test = (open(name).read() for name in sys.argv[1:])
header = re.sub(r"/\*.*?\*/", " ", header, flags=re.S)
faults = []
# Options have rows of their own, by number; versions move; the last three are no numbers.
defined = set(re.findall(r"^#define (CARDEA_\w+)[ \t]+\S", header, re.M))
defined -= {name for name in defined if name.startswith("CARDEA_VERSION_")} | {"CARDEA_API", "CARDEA_NTS"}
numbers = dict(re.findall(r"^#define (CARDEA_OPT_\w+) (\d+)", header, re.M))
pinned = set(re.findall(r"\bROW\((CARDEA_\w+), -?\d+\)", test))
faults += [f"{name} has no row" for name in sorted(defined - set(numbers) - pinned)]
faults += [f"{name} has a row and is not in the header" for name in sorted(pinned - defined)]
rows = set(re.findall(r"\{(\d+), CARDEA_OWNER_", test))
faults += [f"{name} has no row" for name, number in numbers.items() if number not in rows]
for body, struct in re.findall(r"^typedef struct \w+ \{(.*?)^\} (\w+);", header, re.M | re.S):
    for declaration in filter(str.strip, body.split(";")):
        found = re.search(r"\(\*(\w+)\)|(\w+)(?:\[\w+\])?\s*$", declaration.strip())
        member = found.group(1) or found.group(2)
        if f"offsetof({struct}, {member})" not in test:
            faults.append(f"{struct}.{member}: its place is not pinned")
print("\n".join(faults) or f"{len(pinned)} constants and {len(numbers)} options are pinned")
sys.exit(bool(faults) or not pinned)
