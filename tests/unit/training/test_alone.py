"""Training runs on a GPU node that has torch, numpy and safetensors alone."""

import pkgutil
import subprocess
import sys

import emodelx.training

BLOCKED = ("emodelx._core", "gemmi", "pyhmmer", "rich", "scipy", "sklearn", "typer")
CODE = """
import importlib, sys
blocked, modules = (words.split(",") for words in sys.argv[1:])
sys.modules.update(dict.fromkeys(blocked))
for name in modules:
    importlib.import_module("emodelx.training." + name)
"""


def test_every_module_loads_without_the_rest_of_the_program():
    modules = [module.name for module in pkgutil.iter_modules(emodelx.training.__path__)]
    assert len(modules) >= 10
    words = [",".join(BLOCKED), ",".join(modules)]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
