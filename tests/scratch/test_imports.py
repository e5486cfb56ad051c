"""NumPy and nothing else: every module is imported where PyTorch and all other packages cannot be."""

from __future__ import annotations

import subprocess
import sys

from architecture.source import files

SCRIPT = """
import importlib, sys
allowed = {"numpy", "sonde"} | set(sys.stdlib_module_names)
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in allowed:
            raise ImportError(f"{name} may not be imported here")
sys.meta_path.insert(0, Refuse())
for name in sys.argv[1:]:
    importlib.import_module(name)
own = sorted(name for name in sys.modules if name.startswith("sonde.") and not name.startswith("sonde.scratch"))
print(own, "torch" in sys.modules)
"""


def test_scratch_imports_numpy_alone() -> None:
    modules = [name for name in files() if name == "sonde.scratch" or name.startswith("sonde.scratch.")]
    assert "sonde.scratch.tensor" in modules
    done = subprocess.run([sys.executable, "-c", SCRIPT, *modules], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[] False"


def test_files_are_short() -> None:
    long = {name: path.read_text(encoding="utf-8").count("\n") for name, path in files().items() if name.startswith("sonde.scratch.")}
    assert {name: lines for name, lines in long.items() if lines > 300} == {}
