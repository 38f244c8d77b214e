"""The declarations are the header's, the types are complete, the package installs and makes a wheel."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import ROOT, cardea, run_python


def pkg_config(*what):
    try:
        return subprocess.run(["pkg-config", *what, "cardea"], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None



def recent_mypy() -> bool:
    try:
        return tuple(map(int, importlib.metadata.version("mypy").split(".")[:2])) >= (1, 5)
    except importlib.metadata.PackageNotFoundError:
        return False


class Native(unittest.TestCase):
    def test_declarations_are_those_of_the_header(self):
        folder = pkg_config("--variable=includedir")
        headers = [ROOT.parent.parent / "include/cardea/cardea.h", *([Path(folder, "cardea/cardea.h")] if folder else [])]
        headers = [header for header in headers if header.exists()]
        self.assertTrue(headers, "no cardea.h")
        spec = importlib.util.spec_from_file_location("declarations", ROOT / "tools/declarations.py")
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)
        ours = (ROOT / "cardea/_declarations.h").read_text()
        for header in headers:
            made = tool.declarations(header.read_text())
            self.assertEqual(made, ours, f"python3 tools/declarations.py {header} > cardea/_declarations.h")
            self.assertIn("cardea_queue_str", made)
            self.assertNotEqual(tool.declarations(header.read_text().replace("int64_t deadline_ms", "int deadline_ms")), ours)

    def test_every_public_name_is_there_and_has_a_home(self):
        for name in cardea.__all__:
            value = getattr(cardea, name)
            if isinstance(value, type):
                self.assertEqual(value.__module__, "cardea", name)

    def test_a_library_that_is_not_there(self):
        done = run_python(
            "import os; os.environ.update(CARDEA_PYTHON_MODE='abi', CARDEA_LIBRARY='libnowhere.so.9')\n"
            "try:\n    import cardea\nexcept ImportError as e: print(e)"
        )
        self.assertIn("libnowhere.so.9", done.stdout, done.stderr)
        self.assertIn("CARDEA_LIBRARY", done.stdout)

    @unittest.skipUnless(recent_mypy(), "mypy 1.5 or later is not installed")
    def test_types(self):
        with tempfile.TemporaryDirectory() as cache:
            command = [sys.executable, "-m", "mypy", "--cache-dir", cache, "-p", "cardea"]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
            self.assertEqual(done.returncode, 0, done.stdout)
            use = Path(cache, "use.py")
            use.write_text("import cardea\nasync def f(p: cardea.Proxy) -> int:\n    n: int = await p.end({})\n"
                           "    s: str = await p.end({})\n    return n\n")  # fmt: skip
            done = subprocess.run([*command[:-2], str(use)], cwd=ROOT, capture_output=True, text=True, timeout=300)
            self.assertIn("use.py:4", done.stdout)
            self.assertNotIn("use.py:3", done.stdout)


TOOLS = all(importlib.util.find_spec(name) for name in ("pip", "setuptools", "wheel", "cffi"))


@unittest.skipUnless(TOOLS and shutil.which("cc") and pkg_config("--cflags") is not None, "pip, a compiler or cardea.pc is missing")
class Packaging(unittest.TestCase):
    def wheel(self, folder, **environment):
        source = shutil.copytree(ROOT, Path(folder, "source"), ignore=shutil.ignore_patterns("__pycache__", "*.so", "build"))
        command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-index", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "-w", folder, str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, **environment})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        (wheel,) = Path(folder).glob("*.whl")
        target = Path(folder, "target")
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check", "--no-deps", "-t", str(target), str(wheel)], check=True,
                       capture_output=True, timeout=300)  # fmt: skip
        self.assertTrue((target / "cardea/py.typed").exists())
        env = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join([str(target), *filter(None, sys.path)])}
        code = "import cardea; print(cardea.MODE, cardea.__file__)"
        done = subprocess.run([sys.executable, "-c", code], env=env, cwd=folder, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        mode, path = done.stdout.split()
        self.assertEqual(Path(path).parent, target / "cardea")
        return wheel.name, mode

    def test_compiled(self):
        with tempfile.TemporaryDirectory() as folder:
            name, mode = self.wheel(folder, CARDEA_PYTHON_MODE="api")
            self.assertIn("-cp311-abi3-linux", name)
            self.assertEqual(mode, "api")

    def test_without_a_compiler(self):
        with tempfile.TemporaryDirectory() as folder:
            library = Path(pkg_config("--variable=libdir"), "libcardea.so.0")
            name, mode = self.wheel(folder, CARDEA_PYTHON_MODE="abi", CARDEA_LIBRARY=str(library))
            self.assertTrue(name.endswith("-py3-none-any.whl"), name)
            self.assertEqual(mode, "abi")


if __name__ == "__main__":
    unittest.main()
