"""The package's source, parsed once: which module imports what, where."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "sonde"
_MODULE = re.compile(r"^(sonde(?:\.[a-z_0-9]+)+)(?::\w+)?$")


@dataclass(frozen=True)
class Import:
    """One import: `module` wants `target`, a full dotted name, on `line`; `late` when inside a function or for types only."""

    module: str
    target: str
    line: int
    late: bool

    def __str__(self) -> str:
        return f"{path_of(self.module).relative_to(ROOT)}:{self.line}: {self.module} imports {self.target}"


@functools.cache
def files() -> dict[str, Path]:
    """Every module of the package by dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def path_of(module: str) -> Path:
    """The file of a module."""
    return files()[module]


@functools.cache
def tree(module: str) -> ast.Module:
    """Its syntax tree."""
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


@functools.cache
def imports() -> tuple[Import, ...]:
    """Every import statement of the package, and every string that names one of its modules (tables of lazy imports)."""
    return tuple(found for module in files() for found in _imports_of(module))


def area(module: str) -> str:
    """The layer a module belongs to: `sonde.data.readers.csv` → `data`; the package itself → `__init__`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def functions(module: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function and method with its dotted name inside the module."""
    yield from _functions(tree(module), "")


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + child.name, child
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        else:
            yield from _functions(child, prefix)


def _imports_of(module: str) -> Iterator[Import]:
    late = {id(inner) for _, function in functions(module) for inner in ast.walk(function)}
    late |= {id(inner) for node in ast.walk(tree(module)) if _for_types_only(node) for inner in ast.walk(node)}
    for node in ast.walk(tree(module)):
        inside = id(node) in late
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno, inside)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(module, full if full in files() else base, node.lineno, inside)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = _MODULE.match(node.value)
            if match and match[1] in files():
                yield Import(module, match[1], node.lineno, True)


def _for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _base(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    if path_of(module).name != "__init__.py":
        parts = parts[:-1]
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)
