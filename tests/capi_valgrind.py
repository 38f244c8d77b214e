#!/usr/bin/env python3
"""The C tests under valgrind, against a library that was built without sanitizers: no error, no leak.

    capi_valgrind.py LIBRARY_FOLDER INCLUDE_FOLDER

The cases with thousands of lives and several threads run under ASan and TSan; here they would take minutes.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

library, include = (pathlib.Path(p).resolve() for p in sys.argv[1:])
tests = pathlib.Path(__file__).resolve().parent
# What capi_test selects by name.
CASES = ["every_option", "certificates", "released_before_use", "attached_twice", "failures_give_nothing", "null_is_no_object",
         "user_data_is_freed_once", "serves", "adopts", "freed_without_close", "everything_is_told", "one_end_for", "freed_inside",
         "answers_at_once", "completed", "stale", "a_request_through", "a_new_route", "a_drain", "leaves_the_process"]


def main():
    # Those of capi_test: the others have a main() of their own.
    sources = [p for p in tests.glob("capi_*.c") if p.name == "capi_test.c" or not re.search(r"^int main\(", p.read_text(), re.M)]
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/capi_test"
        subprocess.run(["gcc", "-g", "-O1", "-D_GNU_SOURCE", f"-I{include}", *sources, "-o", program, f"-L{library}", "-lcardea",
                        f"-Wl,-rpath,{library}", "-pthread"], check=True)
        failed = 0
        for case in CASES:
            done = subprocess.run(["valgrind", "-q", "--leak-check=full", "--show-leak-kinds=definite,indirect", "--error-exitcode=9",
                                   "--errors-for-leak-kinds=definite,indirect", program, case],
                                  capture_output=True, text=True)
            print(f"{case}: {'fine' if done.returncode == 0 else 'FAILED'}", flush=True)
            if done.returncode or "ok " not in done.stdout:
                failed += 1
                print(done.stdout + done.stderr)
    sys.exit(failed)


main()
