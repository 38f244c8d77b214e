"""Prints what cffi needs of cardea.h: python3 tools/declarations.py HEADER > cardea/_declarations.h

Comments, option numbers (the binding asks for options by name) and everything that only a compiler reads are left out.
"""

import re
import sys


def declarations(header: str) -> str:
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    body = text.split("struct uv_loop_s;", 1)
    kinds = r"^typedef struct \w+ \w+;|^typedef uint64_t \w+;|^typedef void \(\*.*?;|^typedef struct cardea_str \{.*?^\} \w+;"
    types = re.findall(kinds, body[0], re.S | re.M)
    lines = ["/* Made from cardea.h by tools/declarations.py. */", *types, "struct uv_loop_s;"]
    for line in body[1].splitlines():
        if constant := re.match(r"#define (CARDEA_\w+) \(?(-?\w+?)u?\)?\s*$", line):
            if not constant[1].startswith("CARDEA_OPT_"):
                lines.append(f"#define {constant[1]} {constant[2]}")
        elif not line.startswith(("#", "}  /*", 'extern "C"')) and line.strip():
            lines.append(line.replace("CARDEA_API ", "").rstrip())
    if lines[-1] == "}":  # of extern "C"
        lines.pop()
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.write(declarations(file.read()))
