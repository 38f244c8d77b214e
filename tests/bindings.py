"""The Python and Go bindings against an installed library. Prints «PASSED FAILED»; everything else goes to standard error.

    bindings.py BUILD_FOLDER

Installs that build below a folder of its own, copies the bindings there, and runs their tests: Python's with the library loaded at
run time and compiled against it (a wheel is among them), Go's with `go vet` before. Nothing is left behind.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's packages
SOURCE = pathlib.Path(__file__).resolve().parent.parent
LIMIT = 900  # seconds for each program: only one that hangs needs as many


def run(command, folder, environment):
    """Its output and whether it succeeded."""
    print("$", *command, file=sys.stderr, flush=True)
    try:
        done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=LIMIT)
        return done.stdout, done.returncode == 0
    except subprocess.TimeoutExpired as late:
        return f"{late.stdout!r}\nstill running after {LIMIT} s", False
    except OSError as error:
        return str(error), False


def must(command, folder, environment):
    out, good = run(command, folder, environment)
    if not good:
        print(out, file=sys.stderr)
    return good


def installed(build, folder):
    """The environment in which programs find what `meson install` left."""
    options = {row["name"]: row["value"] for row in json.loads(
        subprocess.run(["meson", "introspect", build, "--buildoptions"], check=True, capture_output=True, text=True).stdout)}
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", folder], check=True, stdout=subprocess.DEVNULL)
    root = f"{folder}{options['prefix']}"
    (pc,) = pathlib.Path(root).rglob("cardea.pc")
    pc.write_text(pc.read_text().replace(f"prefix={options['prefix']}", f"prefix={root}", 1))
    return {**os.environ, "PKG_CONFIG_PATH": str(pc.parent), "LD_LIBRARY_PATH": f"{root}/{options['libdir']}",
            "PYTHONDONTWRITEBYTECODE": "1"}


def python_tests(folder, environment):
    environment = {**environment, "PYTHONPATH": str(folder)}
    # Without these the tests would be fewer, and nobody would notice.
    ready = ("import cardea, importlib.util as i; assert cardea.MODE == %r and all(map(i.find_spec, ('pip', 'setuptools', 'wheel')))"
             % environment.get("CARDEA_PYTHON_MODE", "api"))
    if not must([PYTHON, "-c", ready], folder, environment):
        return 0, 1
    out, good = run([PYTHON, "-m", "unittest", "discover", "-s", "tests"], folder, environment)
    ran = re.search(r"^Ran (\d+) tests? in", out, re.M)
    if not ran:
        print(out, file=sys.stderr)
        return 0, 1
    ended = {name: int(n) for name, n in re.findall(r"(failures|errors|skipped|unexpected successes)=(\d+)", out.splitlines()[-1])}
    skipped = ended.pop("skipped", 0)
    failed = sum(ended.values())
    print(out if not good else "\n".join(out.splitlines()[-3:]), file=sys.stderr)
    return int(ran[1]) - failed - skipped, failed or int(not good)


def python(folder, environment):
    yield python_tests(folder, {**environment, "CARDEA_PYTHON_MODE": "abi"})
    if not must([PYTHON, "cardea/_build.py"], folder, environment):
        yield 0, 1
        return
    yield python_tests(folder, {name: value for name, value in environment.items() if name != "CARDEA_PYTHON_MODE"})


def go(folder, environment):
    # Nothing is fetched, neither modules (there are none) nor a toolchain.
    environment = {**environment, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "1",
                   "GOCACHE": str(folder.parent / "go-cache"), "GOPATH": str(folder.parent / "go-path")}
    vetted = must(["go", "vet", "./..."], folder, environment)
    yield int(vetted), int(not vetted)
    out, good = run(["go", "test", "-json", "./..."], folder, environment)
    passed, failed, said = 0, 0, []
    for line in out.splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # of the compiler
            said.append(line + "\n")
            continue
        said.append(event.get("Output", ""))
        if "Test" in event and "/" not in event["Test"]:
            passed += event["Action"] == "pass"
            failed += event["Action"] == "fail"
    print("".join(said) if not good else f"{passed} tests of Go passed", file=sys.stderr)
    yield passed, failed or int(not good or not passed)


def main():
    build = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="cardea-bindings.") as name:
        folder = pathlib.Path(name)
        environment = installed(build, f"{folder}/installed")
        for part in ("bindings", "include"):
            shutil.copytree(SOURCE / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "_api.*", "build", "*.egg-info"))
        counts = [*python(folder / "bindings/python", environment), *go(folder / "bindings/go", environment)]
    print(*(sum(column) for column in zip(*counts)))


main()
