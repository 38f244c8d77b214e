"""Compiles against the installed library that pkg-config knows; otherwise installs the form that loads it at run time."""

import importlib.util
import os

from setuptools import setup


def arguments() -> dict:
    if os.environ.get("CARDEA_PYTHON_MODE") == "abi" or importlib.util.find_spec("cffi") is None:
        return {}
    spec = importlib.util.spec_from_file_location("_cardea_build", "cardea/_build.py")
    build = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(build)
    except (OSError, build.subprocess.CalledProcessError):
        return {}
    # One wheel for every CPython from 3.11 on.
    return {"cffi_modules": ["cardea/_build.py:ffibuilder"], "options": {"bdist_wheel": {"py_limited_api": "cp311"}}}


setup(**arguments())
