#!/usr/bin/env python3
"""The linker's version script from cardea.h: exactly its functions are exported."""
import re
import sys

header, out = sys.argv[1], sys.argv[2]
functions = re.findall(r"^CARDEA_API [^;(]*?\b(cardea_\w+)\(", open(header).read(), re.M)
with open(out, "w") as f:
    f.write("CARDEA_0 {\n  global:\n" + "".join(f"    {name};\n" for name in functions) + "  local: *;\n};\n")
