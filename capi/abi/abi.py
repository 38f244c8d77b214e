#!/usr/bin/env python3
"""Whether programs that were built against an older cardea.h still fit: abidiff against the committed cardea.abi.

    abi.py check [HEADER]    exit 0: they fit; 1: they do not, and why; 77: libabigail is not installed
    abi.py renew [HEADER]    writes cardea.abi anew: for what was added, and for a break that is meant

What a host compiles is the header, so what is compared is a library made of the header alone: every function, each member of
each struct (its type and its place), the value of each constant. That the real library exports exactly these functions is
tests/capi_symbols.py's to say, and the compiler's that their types are the declared ones.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
HEADER = HERE.parent.parent / "include/cardea/cardea.h"
BASELINE, SUPPRESSIONS = HERE / "cardea.abi", HERE / "appended.ini"
SKIPPED = 77
# They say which version a program was built against, and are meant to move.
MOVING = re.compile(r"CARDEA_VERSION_|CARDEA_API$|CARDEA_CARDEA_H$")

ADVICE = f"""
Programs that were built against an older cardea.h would break. Put back what was changed or removed: functions, constants and
members of structs stay as they are, and new ones come beside them (members only at the end of cardea_handlers and cardea_event).
If nobody depends on it yet (it was never released), run capi/abi/abi.py renew and commit {BASELINE.name} with the reason."""


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def functions(text):
    for found in re.finditer(r"^CARDEA_API\s+([^;]*);", text, re.M):
        yield " ".join(found.group(1).split())


def members(text):
    """(struct, member, whether it is a function pointer) of each struct with a body."""
    for body, struct in re.findall(r"^typedef struct \w+ \{(.*?)^\} (\w+);", text, re.M | re.S):
        for declaration in body.split(";"):
            found = re.search(r"\(\*(\w+)\)|(\w+)(?:\[\w+\])?\s*$", declaration.strip())
            if found:
                yield struct, found.group(1) or found.group(2)


def constants(text):
    for name in re.findall(r"^#define (CARDEA_\w+)[ \t]+\S", text, re.M):
        if not MOVING.match(name):
            yield name


def source_of(header):
    """A C file that defines what the header declares, and a variable for each thing that no function's type shows."""
    text = without_comments(header.read_text())
    lines = ["#include <cardea/cardea.h>"]
    for declaration in functions(text):
        nothing = re.match(r"void\s+\w+\(", declaration)
        lines.append(declaration + (" {}" if nothing else " { return 0; }"))
    for struct, member in members(text):
        lines.append(f"__typeof__((({struct}*)0)->{member}) {struct}__{member};")
        # An array's length says where the member is.
        lines.append(f"char {struct}__{member}__place[offsetof({struct}, {member}) + 1];")
    for name in constants(text):
        lines.append(f"enum value_of_{name} {{ {name}_is = (int)({name}) }} {name}__value;")
    return "\n".join(lines) + "\n"


def library_of(header, folder):
    source, library = folder / "cardea.c", folder / "libcardea.so"
    source.write_text(source_of(header))
    version_script = folder / "cardea.map"
    version_script.write_text("CARDEA_0 { global: *; };\n")
    subprocess.run(["gcc", "-g", "-O0", "-fPIC", "-shared", "-w", f"-I{header.parent.parent}", str(source), "-o", str(library),
                    f"-Wl,--version-script={version_script}", "-Wl,-soname,libcardea.so.0"], check=True)
    return library


def renew(header, folder):
    BASELINE.write_text(subprocess.run(
        ["abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", str(library_of(header, folder))],
        check=True, capture_output=True, text=True).stdout)
    print(f"{BASELINE} is what {header} says now")
    return 0


def check(header, folder):
    # --harmless: to abidiff `unsigned` instead of `int` is harmless; to a host that passes -1 it is not.
    compared = subprocess.run(["abidiff", "--harmless", "--no-added-syms", "--suppressions", str(SUPPRESSIONS), str(BASELINE),
                               str(library_of(header, folder))], capture_output=True, text=True)
    if compared.returncode:
        print(compared.stdout + compared.stderr + ADVICE)
        return 1
    print(f"{header} keeps what {BASELINE.name} promises")
    return 0


def main():
    command, *rest = sys.argv[1:] or [""]
    if command not in ("check", "renew") or len(rest) > 1:
        sys.exit(__doc__)
    if not shutil.which("abidiff"):
        print("abidiff is not installed (Debian: abigail-tools)")
        return SKIPPED
    header = pathlib.Path(rest[0] if rest else HEADER).resolve()
    with tempfile.TemporaryDirectory() as folder:
        return (check if command == "check" else renew)(header, pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())
