"""`sonde verify`: every algorithm on NumPy against its fast form; a learner's own function; a graph drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from sonde.cli.flags import Json, many
from sonde.cli.output import Answer, say, table
from sonde.errors import UsageError

if TYPE_CHECKING:
    from sonde.verify.pair import Verdict

SHORT = 1


def verify(
    *names: Annotated[str, Parameter(help="pairs to judge (default: all)")],
    mine: Annotated[
        Path | None, Parameter(help="a Python file with your own function of that name: value and gradient are checked")
    ] = None,
    graph: Annotated[str | None, Parameter(help="draw an expression with values and gradients at each node: 'sum((x*w - y)**2)'")] = None,
    curves: Annotated[Path | None, Parameter(help="a run folder: train it once more on NumPy alone, and draw both learning curves")] = None,
    at: Annotated[tuple[str, ...], many("values for --graph: --at x=2 --at w=1,0.5 (commas make a vector)")] = (),
    out: Annotated[Path | None, Parameter(help="where a picture is written [default: graph.svg, curves.svg]")] = None,
    json: Json = False,
) -> Answer:
    """Prove that `sonde.scratch` and the fast forms compute the same."""
    alone = [flag for flag, value in (("--graph", graph), ("--curves", curves), ("--mine", mine)) if value is not None]
    if len(alone) > 1 or (names and alone and alone != ["--mine"]):
        raise UsageError(f"{alone[0]} goes alone", where="sonde verify", remedy="leave out the names and the other flags")
    if graph is not None:
        return _graph(graph, at, out or Path("graph.svg"), json)
    if at:
        raise UsageError("--at gives values to an expression", where="--at", remedy="add --graph EXPRESSION")
    if curves is not None:
        return _curves(curves, out or Path("curves.svg"), json)
    if mine is not None:
        if len(names) != 1:
            raise UsageError("--mine is checked against one pair", where="--mine", remedy="name it: sonde verify conv2d --mine my_conv.py")
        return _mine(names[0], mine, json)
    return _all(names, json)


def _all(names: tuple[str, ...], json: bool) -> Answer:
    from sonde import verify as pairs

    found = []
    for verdict in pairs.prove(names):
        found.append(verdict)
        say(f"{verdict.name}: {'equal' if verdict.passed else 'NOT equal'}", quiet=json)
    failed = [verdict.name for verdict in found if not verdict.passed]
    end = f"{len(found) - len(failed)} of {len(found)} pairs are equal: to 1e-10 in float64 and 1e-5 in float32, relative"
    lines = [rows_of(found), "", end]
    lines += [f"{verdict.name}: {kind}: {place}" for verdict in found if not verdict.passed for kind, place in verdict.worst.items()]
    document = {"pairs": [_plain(verdict) for verdict in found], "failed": failed}
    return Answer(document, "\n".join(lines), json=json, code=SHORT if failed else 0)


def rows_of(found: list[Verdict]) -> str:
    """The table of largest differences and of speed."""
    rows = []
    for v in found:
        differences = [found_of.get(dtype) for dtype in ("float64", "float32") for found_of in (v.value, v.gradient)]
        times = [f"{1e3 * v.scratch_seconds:.3g}", f"{1e3 * v.fast_seconds:.3g}", f"{v.scratch_seconds / v.fast_seconds:.2g}"]
        rows.append(
            (v.name, v.what, *("–" if d is None else f"{d:.1e}" for d in differences), *times, "equal" if v.passed else "NOT EQUAL")
        )
    heads = ("pair", "fast form", "value f64", "gradient f64", "value f32", "gradient f32", "scratch ms", "fast ms", "ratio", "")
    return table(rows, heads)


def _plain(v: Verdict) -> dict[str, Any]:
    return {
        "name": v.name,
        "fast": v.what,
        "value": v.value,
        "gradient": v.gradient,
        "scratch_seconds": v.scratch_seconds,
        "fast_seconds": v.fast_seconds,
        "passed": v.passed,
    }


def _mine(name: str, path: Path, json: bool) -> Answer:
    from sonde import verify as pairs
    from sonde.verify.mine import mark

    pair = pairs.twins(name)
    marked = mark(name, pair, path)
    document = {
        "name": name,
        "passed": marked.passed,
        "checked": marked.checked,
        "first_difference": marked.first,
        "cases": len(pair.cases),
    }
    lines = [f"right   {each}" for each in marked.checked]
    if marked.first is None:
        lines.append(f"{path} agrees with {name} on all {marked.cases} cases")
    else:
        lines += [f"wrong   {marked.first}", f"{path} first differs from {name} in case {marked.cases} of {len(pair.cases)}"]
    return Answer(document, "\n".join(lines), json=json, code=0 if marked.passed else SHORT)


def _graph(expression: str, at: tuple[str, ...], out: Path, json: bool) -> Answer:
    from sonde.verify import expression as expressions

    drawn = expressions.draw(expression, expressions.values(at))
    _write(out, drawn.svg)
    document = {"svg": str(out), "value": drawn.value, "gradients": drawn.gradients}
    lines = [f"value     {drawn.value}", *(f"∂/∂{name}  {gradient}" for name, gradient in drawn.gradients.items()), f"picture   {out}"]
    return Answer(document, "\n".join(lines), json=json)


def _curves(run: Path, out: Path, json: bool) -> Answer:
    from sonde.verify import curves

    found = curves.twin(run)
    _write(out, found.svg)
    document = {"svg": str(out), "fast": found.fast, "scratch": found.scratch, "difference": found.difference}
    lines = [
        f"loss at the end   {found.fast[-1][1]:.6g} in {run}, {dict(found.scratch).get(found.fast[-1][0], float('nan')):.6g} on NumPy alone",
        f"largest distance  {found.difference:.2g} of the first loss (float32: rounding grows from step to step)",
        f"picture           {out}",
    ]
    return Answer(document, "\n".join(lines), json=json)


def _write(out: Path, svg: str) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(svg, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the picture cannot be written: {error.strerror}", where=str(out), remedy="give another --out") from None
