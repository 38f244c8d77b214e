#!/usr/bin/env python3
"""cardea.h alone compiles without a word as C89 to C++20, with each compiler that is here. Usage: capi_header.py HEADER"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

header = pathlib.Path(sys.argv[1])
include = header.parent.parent
C = ["c89", "c99", "c11", "c17"]
CXX = ["c++98", "c++11", "c++17", "c++20"]
STRICT = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-Wstrict-prototypes"]
PROGRAM = "#include <cardea/cardea.h>\n#include <cardea/cardea.h>\n" \
          "int main(void) { return cardea_init(CARDEA_VERSION_NUM, 0, 0); }\n"
compilers = [(name, C, ".c") for name in ("gcc", "clang-14", "clang") if shutil.which(name)]
compilers += [(name, CXX, ".cc") for name in ("g++", "clang++-14", "clang++") if shutil.which(name)]
if not compilers:
    sys.exit("no compiler")

faults = []
with tempfile.TemporaryDirectory() as folder:
    for compiler, standards, suffix in compilers:
        source = pathlib.Path(folder, "use" + suffix)
        source.write_text(PROGRAM)
        for standard in standards:
            options = [o for o in STRICT if suffix == ".c" or o != "-Wstrict-prototypes"]
            # The two headers that it includes are the system's: only ours is judged.
            command = [compiler, f"-std={standard}", *options, f"-I{include}", "-fsyntax-only", str(source)]
            done = subprocess.run(command, capture_output=True, text=True)
            print(f"{compiler} -std={standard}: {'fine' if done.returncode == 0 else 'FAILED'}")
            if done.returncode or done.stderr:
                faults.append(done.stderr)

included = [line.split()[1] for line in header.read_text().splitlines() if line.startswith("#include")]
if included != ["<stddef.h>", "<stdint.h>"]:
    faults.append(f"includes {included}, not only stddef.h and stdint.h")
print("\n".join(faults))
sys.exit(bool(faults))
