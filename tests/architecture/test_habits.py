"""Habits that keep the source readable and safe, each checked over every file."""

from __future__ import annotations

import ast
import re

import pytest

from architecture.source import PACKAGE, ROOT, files, functions, imports, path_of, tree

FILE_LINES, FUNCTION_LINES = 450, 80

# Functions that may take **keywords, each with its reason.
MAY_TAKE_KEYWORDS = {
    "sonde.recipe:Recipe.replace": "the names of a recipe's sections, checked like any recipe",
    "sonde:train": "the flags of the command line, checked against the recipe with the nearest name",
}
# Pairs hand a layer's weights to both sides by their published names, such as norm1.weight, which are no Python names.
NAMES_OF_WEIGHTS = {f"sonde.verify.{name}" for name in ("bert", "cases", "layers", "losses", "sequences", "training", "translators")}
# The one place that opens PyTorch's own files, with weights_only=True.
OPENS_PYTORCH_FILES = "sonde.models.weights"
CODE_LOADERS = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b|not implemented yet|placeholder", re.IGNORECASE)
# Folders of a build machine. Written in pieces, so that this file passes its own rule.
FOREIGN = re.compile(r"(?<![\w.$}])/(" + "|".join(["wo" + "rk", "far" + "m", "ro" + "ot", "tm" + "p"]) + r")(?![\w])")


def test_files_are_short() -> None:
    long = {module: count for module in files() if (count := path_of(module).read_text(encoding="utf-8").count("\n")) > FILE_LINES}
    assert not long, f"files over {FILE_LINES} lines: {long}"


def test_functions_are_short() -> None:
    long = {
        f"{module}:{name}": size
        for module in files()
        for name, function in functions(module)
        if (size := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    }
    assert not long, f"functions over {FUNCTION_LINES} lines: {long}"


def test_no_keyword_tunnels() -> None:
    wrong = [
        f"{module}:{name}"
        for module in files()
        for name, function in functions(module)
        if function.args.kwarg and f"{module}:{name}" not in MAY_TAKE_KEYWORDS and module not in NAMES_OF_WEIGHTS
    ]
    assert not wrong, f"functions that take **{'kwargs'}: {wrong}"


def test_every_public_name_has_a_docstring() -> None:
    missing = [module for module in files() if not ast.get_docstring(tree(module)) and path_of(module).stat().st_size > 0]
    for module in files():
        for node in tree(module).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_") and not ast.get_docstring(node):
                missing.append(f"{module}:{node.name}")
    assert not missing, "without a docstring:\n" + "\n".join(missing)


def test_no_star_imports() -> None:
    wrong = [
        f"{module}:{node.lineno}"
        for module in files()
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    assert not wrong


def test_no_unrestricted_pickle() -> None:
    """Nothing that is loaded can run code: no pickle and its kin, no eval, and torch.load in one place, weights only."""
    loaders = [found for found in imports() if found.target.split(".")[0] in CODE_LOADERS]
    wrong = [str(found) for found in loaders if (found.module, found.target) != (OPENS_PYTORCH_FILES, "pickle")]
    for module in files():
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle" and node.attr != "UnpicklingError":
                wrong.append(f"{module}:{node.lineno}: {ast.unparse(node)}")  # the refusal is caught by name, nothing else is used
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                place = f"{module}:{node.lineno}: {called}"
                if called in ("eval", "exec", "compile", "builtins.eval", "builtins.exec") or called.endswith(
                    (".unsafe_load", "read_pickle")
                ):
                    wrong.append(place)
                if called == "torch.load" and (module != OPENS_PYTORCH_FILES or keywords.get("weights_only") != "True"):
                    wrong.append(place)
                if keywords.get("allow_pickle", "False") != "False" or keywords.get("weights_only", "True") != "True":
                    wrong.append(place)
    assert not wrong, "\n".join(wrong)


def test_numpy_files_are_read_without_pickle() -> None:
    """np.load refuses pickled objects by default; the source says so where it matters, so that nobody has to know."""
    wrong = [
        f"{module}:{node.lineno}"
        for module in files()
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "np.load"
        and "allow_pickle" not in {keyword.arg for keyword in node.keywords}
    ]
    assert not wrong, f"say allow_pickle=False at {wrong}"


def test_nothing_unfinished() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in PACKAGE.rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", ["src", "docs", "bench"])
def test_no_paths_of_one_machine(folder: str) -> None:
    texts = [path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md", ".toml", ".html", ".css", ".js")]
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in [*texts, ROOT / "README.md"]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if FOREIGN.search(line)
    ]
    assert not wrong, "\n".join(wrong)
