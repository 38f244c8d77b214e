"""The compiled form of the binding. `python3 cardea/_build.py` makes it in place, without pip; so does setup.py for a wheel."""

import os
import shlex
import subprocess
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent

# The functions that C calls: bodies are in Python, see _native.callback().
CALLBACKS = """
extern "Python" int cardea_py_authorize(void *, cardea_request *, cardea_token);
extern "Python" void cardea_py_request_end(void *, cardea_request *);
extern "Python" void cardea_py_conn_open(void *, cardea_conn *);
extern "Python" void cardea_py_conn_close(void *, cardea_conn *);
extern "Python" int cardea_py_pick_endpoint(void *, cardea_request *, const cardea_str *, const uint32_t *, const uint32_t *,
                                            size_t);
extern "Python" void cardea_py_health(void *, const cardea_str *, const cardea_str *, int, const cardea_str *);
extern "Python" int cardea_py_health_check(void *, const cardea_str *, const cardea_str *, cardea_token);
extern "Python" void cardea_py_request(void *, cardea_request *, cardea_token);
extern "Python" void cardea_py_readable(void *, cardea_token);
extern "Python" void cardea_py_writable(void *, cardea_token);
extern "Python" void cardea_py_request_start(void *, cardea_request *);
extern "Python" int64_t cardea_py_clock(void *, int64_t *);
extern "Python" void cardea_py_free(void *);
extern "Python" void cardea_py_done(void *, int);
extern "Python" void cardea_py_text(void *, const char *, size_t);
extern "Python" void cardea_py_log(void *, int, const char *, size_t);
"""


def pkg_config(what: str) -> list[str]:
    command = [os.environ.get("PKG_CONFIG", "pkg-config"), what, "cardea"]
    return shlex.split(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def found() -> bool:
    """Whether there is a library to build against."""
    try:
        pkg_config("--cflags")
        return True
    except (OSError, subprocess.CalledProcessError):
        return False


def builder() -> FFI:
    ffi = FFI()
    ffi.cdef((HERE / "_declarations.h").read_text("ascii") + CALLBACKS)
    libs = pkg_config("--libs")
    # A library outside the system's folders is found again where it was.
    folders = [flag[2:] for flag in libs if flag.startswith("-L")]
    rpaths = [f for f in folders if not f.startswith(("/lib", "/usr/lib", "/usr/local/lib"))]
    ffi.set_source(
        "cardea._api",
        "#include <cardea/cardea.h>",
        extra_compile_args=pkg_config("--cflags"),
        extra_link_args=libs + ["-Wl,-rpath," + folder for folder in rpaths],
        optional=True,  # without a compiler the package still works, see _native.py
    )
    return ffi


if __name__ == "__main__":
    print(builder().compile(tmpdir=str(HERE.parent)))
else:
    ffibuilder = builder()
