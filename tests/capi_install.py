#!/usr/bin/env python3
"""What `meson install` leaves is enough: a C program builds with pkg-config alone and with CMake alone, and runs, C++ finds its
headers; the demo says its version.

    capi_install.py BUILD_FOLDER SOURCE
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

build, source = sys.argv[1:]


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


# What a user writes, and what find_package() has to refuse.
CMAKE = """cmake_minimum_required(VERSION 3.18)
project(host C)
find_package(cardea @VERSION@ REQUIRED CONFIG)
add_executable(host @SOURCE@)
target_link_libraries(host PRIVATE cardea::cardea)
"""


def cmake(folder, prefix, version, flags):
    """The built program, or None: find_package() refused."""
    place = pathlib.Path(folder, f"cmake-{version}")
    place.mkdir()
    (place / "CMakeLists.txt").write_text(CMAKE.replace("@VERSION@", version).replace("@SOURCE@", source))
    done = subprocess.run(["cmake", "-S", place, "-B", place / "build", f"-DCMAKE_PREFIX_PATH={prefix}",
                           f"-DCMAKE_C_FLAGS=-std=c99 -D_GNU_SOURCE {flags}"], capture_output=True, text=True)
    if done.returncode:
        if "cardea" not in done.stderr or "version" not in done.stderr:
            sys.exit(done.stdout + done.stderr)
        return None
    run(["cmake", "--build", place / "build"])
    return place / "build/host"


def starts(program, environment):
    usage = subprocess.run([program], env=environment, capture_output=True, text=True)
    if usage.returncode != 2 or "usage" not in usage.stderr:
        sys.exit(f"the program does not start: {usage}")
    links = run(["readelf", "-d", program])
    if not re.search(r"NEEDED.*\[libcardea\.so\.0\]", links) or re.search(r"NEEDED.*\[lib(uv|ssl|nghttp2|cares|re2)", links):
        sys.exit(f"{program} links more than libcardea.so.0:\n{links}")


def main():
    options = {row["name"]: row["value"] for row in json.loads(run(["meson", "introspect", build, "--buildoptions"]))}
    with tempfile.TemporaryDirectory() as folder:
        run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", folder])
        found = list(pathlib.Path(folder).rglob("cardea.pc"))
        if len(found) != 1:
            sys.exit(f"cardea.pc: {found}")
        text = found[0].read_text()
        print(text)
        if re.search(r"^Requires:", text, re.M) or not re.search(r"^Requires\.private:", text, re.M):
            sys.exit("cardea.pc: C users need nothing but the library: everything belongs in Requires.private")
        prefix = options["prefix"]
        environment = dict(os.environ, PKG_CONFIG_PATH=str(found[0].parent), PKG_CONFIG_SYSROOT_DIR=folder)
        flags = run(["pkg-config", "--cflags", "--libs", "cardea"], env=environment).split()
        print(" ".join(flags))
        sanitizers = [f"-fsanitize={options['b_sanitize']}"] if options["b_sanitize"] != "none" else []
        program = pathlib.Path(folder, "epoll_host")
        run(["gcc", "-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", source, "-o", program, *sanitizers, *flags])
        libraries = pathlib.Path(folder + prefix, options["libdir"])
        environment = dict(os.environ, LD_LIBRARY_PATH=str(libraries))
        starts(program, environment)
        for version, fits in (("0.1", True), ("0.99", False), ("1.0", False)):
            program = cmake(folder, folder + prefix, version, " ".join(sanitizers))
            if (program is not None) != fits:
                sys.exit(f"find_package(cardea {version}): {program}")
            if program:
                starts(program, environment)
        version = run([pathlib.Path(folder + prefix, options["bindir"], "cardea-proxy"), "--version"], env=environment)
        said = run(["pkg-config", "--modversion", "cardea"], env=dict(environment, PKG_CONFIG_PATH=str(found[0].parent)))
        if version != f"cardea-proxy {said}":
            sys.exit(f"cardea-proxy --version: {version!r}")
        for name in ("libcardea.so", "libcardea.so.0"):
            if not (libraries / name).is_symlink():
                sys.exit(f"{libraries / name} is missing")
        include = pathlib.Path(folder + prefix, options["includedir"])
        headers = sorted(str(p.relative_to(include)) for p in include.rglob("*") if p.is_file())
        ours = pathlib.Path(__file__).parent.parent / "include"
        wanted = sorted(str(p.relative_to(ours)) for p in ours.rglob("*.h*") if p.suffix in (".h", ".hpp"))
        if headers != wanted:
            sys.exit(f"headers: {headers}")
        run(["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++", include / "cardea/cardea.hpp", *flags])
    print("installed, built against, run")


main()
