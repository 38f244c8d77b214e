#!/usr/bin/env python3
"""Every function has a manual page that is complete and that renders without a word; a contract with a gap is found.

    capi_reference.py REFERENCE_PY HEADER SYMBOLS FOLDER
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

script, header, symbols, folder = sys.argv[1:]
names = re.findall(r"^(cardea_\w+) ", pathlib.Path(symbols).read_text(), re.M)
faults = []


def check(header, symbols):
    return subprocess.run([sys.executable, script, header, symbols, "--check"], capture_output=True, text=True)


done = check(header, symbols)
if done.returncode:
    faults.append(done.stdout + done.stderr)
# Gaps: a function without its row, without a thread class, with a duration in no unit.
gaps = {"capi/symbols.txt": ("CARDEA_API uint32_t cardea_version(void);", "CARDEA_API uint32_t cardea_more(void);"),
        "no thread class": (" process (any) ", " process "),
        "has no unit": ("int64_t deadline_ms, cardea_done_fn", "int64_t deadline, cardea_done_fn")}
for said, (old, new) in gaps.items():
    text = pathlib.Path(header).read_text()
    if old not in text:
        sys.exit(f"the header has no longer «{old}»: the row needs another place")
    with tempfile.NamedTemporaryFile("w", suffix=".h") as changed:
        changed.write(text.replace(old, new))
        changed.flush()
        done = check(changed.name, symbols)
        if done.returncode != 1 or said not in done.stdout:
            faults.append(f"a gap was not found: {said}: {done}")

pages = [pathlib.Path(folder, f"{name}.3") for name in ["cardea", *names]]
for page in pages[1:]:
    text = page.read_text()
    missing = [part for part in ("NAME", "SYNOPSIS", "DESCRIPTION", "RETURN VALUE", "THREADS") if f".SH {part}\n" not in text]
    if missing:
        faults.append(f"{page.name}: without {missing}")
if shutil.which("mandoc"):
    linted = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *pages], capture_output=True, text=True)
    faults += [linted.stdout + linted.stderr] if linted.returncode else []
print("\n".join(faults) or f"{len(pages)} pages, {'linted' if shutil.which('mandoc') else 'mandoc is not here'}")
sys.exit(bool(faults))
