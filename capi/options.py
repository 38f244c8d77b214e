#!/usr/bin/env python3
"""Writes the option numbers of lib/config/options.def into cardea.h (between its marks); --check: only compares."""
import re
import sys

BEGIN, END = "/* The numbers. Never changed, never used again. */\n", "\n/* The option with this name"


def numbers(table):
    rows = re.findall(r"^(GLOBAL|LISTENER|ROUTE|CLUSTER)_OPTION\((\d+), (\w+),", table, re.M)
    return "".join(f"#define CARDEA_OPT_{owner}_{name} {number}\n" for owner, number, name in rows)


def main():
    table, header = sys.argv[1], sys.argv[2]
    text = open(header).read()
    start = text.index(BEGIN) + len(BEGIN)
    stop = text.index(END, start)
    wanted = text[:start] + numbers(open(table).read()) + text[stop:]
    if "--check" in sys.argv:
        if wanted != text:
            sys.exit(f"{header}: option numbers differ from {table}; run capi/options.py {table} {header}")
    else:
        open(header, "w").write(wanted)


main()
