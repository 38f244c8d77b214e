#!/usr/bin/env python3
"""The ABI gate: today's header passes; each kind of break fails it, with advice; each kind of addition passes.

    capi_abi.py ABI_PY HEADER
"""
import pathlib
import subprocess
import sys
import tempfile

gate, header = sys.argv[1:]

# What is changed, into what, and what the report must name.
BREAKS = {
    "a parameter's type": ("cardea_errname(int code)", "cardea_errname(int64_t code)", "cardea_errname"),
    "a parameter's sign": ("cardea_errname(int code)", "cardea_errname(unsigned code)", "cardea_errname"),
    "one parameter more": ("cardea_tls_new(cardea_tls **out)", "cardea_tls_new(cardea_tls **out, int flags)", "cardea_tls_new"),
    "a returned type": ("uint32_t cardea_version(void)", "int64_t cardea_version(void)", "cardea_version"),
    "a function removed": ("CARDEA_API uint32_t cardea_version(void);", "", "cardea_version"),
    "a callback's type": ("(*cardea_done_fn)(void *ud, int status)", "(*cardea_done_fn)(void *ud, int64_t status)", "cardea_done_fn"),
    "a constant": ("CARDEA_ESEALED (-4)", "CARDEA_ESEALED (-5)", "CARDEA_ESEALED"),
    "a constant removed": ("#define CARDEA_ALLOW 1", "", "CARDEA_ALLOW"),
    "an option's number": ("CARDEA_OPT_ROUTE_NAME 3001", "CARDEA_OPT_ROUTE_NAME 3999", "CARDEA_OPT_ROUTE_NAME"),
    "a struct's order": ("  const char *ptr;\n  size_t len;", "  size_t len;\n  const char *ptr;", "cardea_str"),
    "an event's order": ("  uint64_t id;\n  int64_t value;", "  int64_t value;\n  uint64_t id;", "cardea_event"),
    "a handler removed": ("  void (*on_conn_close)(void *ud, cardea_conn *c);", "", "on_conn_close"),
    "a handler in the middle": ("  void (*on_conn_open)", "  void (*on_more)(void *ud);\n  void (*on_conn_open)", "on_conn_open"),
    "a handler's type": ("  void (*on_request_end)", "  int (*on_request_end)", "on_request_end"),
    "a handler's type behind an appended one": ("  void (*on_request_end)", "  int (*on_request_end)", "on_request_end"),
}
APPENDED = ("} cardea_handlers;", "  void (*on_more)(void *ud);\n} cardea_handlers;")
ADDITIONS = {
    "nothing": ("", ""),
    "a function": ("CARDEA_API uint32_t cardea_version(void);",
                   "CARDEA_API uint32_t cardea_version(void);\nCARDEA_API int cardea_more(cardea_proxy *p);"),
    "a constant": ("#define CARDEA_ALLOW 1", "#define CARDEA_ALLOW 1\n#define CARDEA_MAYBE 9"),
    "a handler at the end": APPENDED,
    "a comment": ("/* Borrowed bytes. */", "/* Bytes: CARDEA_API int cardea_none(void); */"),
}


def check(changed):
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder, "cardea/cardea.h")
        copy.parent.mkdir()
        copy.write_text(changed)
        return subprocess.run([gate, "check", str(copy)], capture_output=True, text=True)


def replaced(text, old, new):
    if old not in text:
        sys.exit(f"the header has no longer «{old}»: the row needs another place")
    return text.replace(old, new, 1)


text = pathlib.Path(header).read_text()
today = subprocess.run([gate, "check", header], capture_output=True, text=True)
if today.returncode:
    print(today.stdout + today.stderr)
    sys.exit(today.returncode)  # also when there is no libabigail: then this test is skipped
faults = []
for what, (old, new, named) in BREAKS.items():
    changed = replaced(text, old, new)
    if "appended" in what:
        changed = replaced(changed, *APPENDED)
    done = check(changed)
    if done.returncode != 1 or named not in done.stdout or "abi.py renew" not in done.stdout:
        faults.append(f"{what}: {done.returncode}\n{done.stdout}{done.stderr}")
for what, (old, new) in ADDITIONS.items():
    done = check(replaced(text, old, new))
    if done.returncode:
        faults.append(f"{what} was added: {done.returncode}\n{done.stdout}{done.stderr}")
print("\n".join(faults) or f"{len(BREAKS)} breaks found, {len(ADDITIONS)} additions passed")
sys.exit(bool(faults))
