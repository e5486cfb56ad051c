"""`sonde data PATH|NAME`: what stands there, what would be learnt from it, and everything that is wrong with it."""

from __future__ import annotations

import tempfile
import time as time_module
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from sonde import recipe
from sonde.cli import findings
from sonde.cli.flags import Json, Quiet, flag, given
from sonde.cli.output import Answer, say, table
from sonde.cli.progress import PAUSE
from sonde.errors import UsageError

if TYPE_CHECKING:
    from sonde.data.assemble import Dataset
    from sonde.data.check import Findings
    from sonde.data.contents import Content

UNFIT = 2  # the exit code where something stops training, as it is train's


def data(
    source: Annotated[str | None, Parameter(help="a path or a named set; without one, the named sets are listed")] = None,
    /,
    *,
    target: Annotated[tuple[str, ...] | None, flag("target")] = None,
    features: Annotated[tuple[str, ...] | None, flag("features")] = None,
    drop: Annotated[tuple[str, ...] | None, flag("drop")] = None,
    id: Annotated[str | None, flag("id")] = None,
    images: Annotated[str | None, flag("images")] = None,
    group: Annotated[str | None, flag("group")] = None,
    time: Annotated[str | None, flag("time")] = None,
    validation: Annotated[float | str | None, flag("validation")] = None,
    test: Annotated[float | str | None, flag("test")] = None,
    size: Annotated[int | None, flag("size")] = None,
    augment: Annotated[tuple[str, ...] | None, flag("augment")] = None,
    seed: Annotated[int | None, flag("seed")] = None,
    task: Annotated[str | None, flag("task")] = None,
    against: Annotated[str | None, Parameter(help="the data, or the run, that a model was trained on: say what has shifted since")] = None,
    to: Annotated[Path | None, Parameter(help="fetch a named set into this folder, for a machine without network; with --to-format: write there")] = None,
    to_format: Annotated[
        Literal["coco", "voc", "yolo", "csv"] | None, Parameter(help="write pictures with boxes or masks in another form into the folder --to")
    ] = None,
    on_error: Annotated[Literal["stop", "skip"] | None, flag("on_error")] = None,
    out: Annotated[Path | None, Parameter(help="write an HTML page with pictures, columns and problems [with --augment: NAME.html]")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> Answer:
    """The doctor. Exits with 2 where something would stop training.

    With --augment the page also shows some pictures as the first epochs of training would see them.
    """
    flags = given(locals())
    if source is None:
        return _sets(json=json)
    if to is not None and to_format is None:
        return _fetch(source, to, json=json, quiet=quiet)
    chosen = recipe.with_flags(recipe.Recipe(data=recipe.Data(path=source)), flags)
    if to_format is not None:
        return _convert(chosen, to_format, to, json=json)
    if chosen.data.augment:
        _check_augmentation(chosen)
    content, found, dataset = _examine(chosen)
    document = found.to_json()
    if against is not None:
        document["problems"] += [vars(problem) for problem in _shifted(content, chosen.data, against)]
    if chosen.data.augment and out is None:
        out = Path(f"{content.name}.html")
    if out is not None:
        _page(content, found, out, augmented=_augmented(chosen, dataset))
    unfit = any(problem["level"] == "error" for problem in document["problems"])
    page = None if out is None else str(out)
    return Answer({**document, "page": page}, _text(document, page), json=json, code=UNFIT if unfit else 0)


def _check_augmentation(chosen: recipe.Recipe) -> None:
    """What is misspelt is said before anything is read."""
    from sonde.data.augment import parse

    parse(chosen.data.augment or ())


def _augmented(chosen: recipe.Recipe, dataset: Dataset | None) -> Callable[[Path], dict[str, Any]] | None:
    """What draws the augmented pictures into a folder; None where none are asked for."""
    names = chosen.data.augment
    if not names:
        return None
    from sonde import tasks
    from sonde.data.augment import check
    from sonde.data.augment.sheet import augmented_sheet

    check(names, kind="table" if dataset is None else dataset.content.kind, mixable=dataset is not None and dataset.inferred.task in tasks.MIXING)
    assert dataset is not None
    return lambda folder: augmented_sheet(chosen, dataset, folder)


def _examine(chosen: recipe.Recipe) -> tuple[Content, Findings, Dataset | None]:
    """The same look as `train` takes, and a deeper one. A table without a target is described all the same."""
    from sonde.data.assemble import assemble
    from sonde.data.check import check
    from sonde.data.infer import Inferred
    from sonde.data.open import open_data

    content = open_data(chosen.data.path, chosen.data)
    if content.kind == "table" and content.target is None and not chosen.data.target:
        undecided = Inferred("", (), "no target is named; --target COLUMN chooses one", "--target")
        return content, check(content, chosen.data, inferred=undecided, deep=True), None
    dataset = assemble(chosen)
    found = check(dataset.content, chosen.data, inferred=dataset.inferred, parts=dataset.parts, deep=True)
    return dataset.content, found, dataset


def _shifted(content: Content, options: recipe.Data, against: str) -> list[Any]:
    """How the data differ from those of a run (its training part) or from those at a path."""
    from sonde.data.assemble import assemble
    from sonde.data.checks.shift import shift
    from sonde.data.open import open_data

    if (Path(against) / "recipe.toml").is_file():
        trained = recipe.read(Path(against) / "recipe.toml")
        part = assemble(trained).parts["train"]
        return shift(part.examples.take(part.index), content.examples, trained.data, whole=True, name=content.name)
    return shift(open_data(against, options).examples, content.examples, options, whole=True, name=content.name)


def _page(content: Content, found: Findings, out: Path, *, augmented: Callable[[Path], dict[str, Any]] | None) -> None:
    from sonde.data.checks.scene_sheet import scene_sheet
    from sonde.data.checks.sheet import contact_sheet
    from sonde.data.contents import SCENES
    from sonde.report.data_page import write_data_page

    with tempfile.TemporaryDirectory() as folder:
        thumbnails = scene_sheet(content, Path(folder)) if content.kind in SCENES else contact_sheet(content, Path(folder))
        document = found.to_json(thumbnails)
        if augmented is not None:
            document["augmented"] = augmented(Path(folder))
        write_data_page(document, Path(folder), out)


def _text(found: dict[str, Any], page: str | None) -> str:
    task = found["task"]
    blocks = [f"{found['origin']}: {found['reason']}"]
    blocks[0] += "\n" + "\n".join(findings.lines({**found, "problems": [], "notes": []})) if task["name"] else f"\n{task['reason']}"
    rows = [
        (each["name"], each["type"], each["role"], each["missing"], each["distinct"], each.get("why") or "")
        for each in found.get("columns") or []
    ]
    if rows:
        blocks.append(table(rows, ("column", "type", "used as", "missing", "distinct", "why")))
    classes = found.get("classes") or []
    if classes:
        parts = list(dict.fromkeys(part for each in classes for part in each["counts"]))
        blocks.append(table([(each["name"], *(each["counts"].get(part, 0) for part in parts)) for each in classes], ("class", *parts)))
    problems = findings.problems(found, shown=len(found["problems"]))
    blocks.append("\n".join(problems) if problems else "nothing is wrong with it")
    if page is not None:
        blocks.append(f"page {page}")
    return "\n\n".join(blocks)


def _sets(*, json: bool) -> Answer:
    from sonde.data.open import known_sets

    sets = known_sets()
    text = table(list(sets.items()), ("set", "what it is")) + "\n\nsonde train NAME trains on one; sonde data NAME --to DIR fetches one"
    return Answer({"sets": [{"name": name, "description": line} for name, line in sets.items()]}, text, json=json)


def _convert(chosen: recipe.Recipe, form: str, to: Path | None, *, json: bool) -> Answer:
    """Annotations in another form. What is wrong with them stops it, as it stops training; --on-error skip leaves such pictures out."""
    from sonde.data.convert import convert
    from sonde.data.open import open_data
    from sonde.errors import DataError

    if to is None:
        raise UsageError("where is it to be written?", where="--to-format", remedy="name a new folder with --to")
    content = open_data(chosen.data.path, chosen.data)
    errors = [problem for problem in content.problems if problem.level == "error"]
    if errors:
        raise DataError(errors)
    done = convert(content, form, to)
    said = [f"{problem.where}: {problem.found}" for problem in content.problems if problem.level == "warning"]
    notes = [*done.notes, *said]
    what = f"{done.files:,} pictures" + (f" with {done.objects:,} objects" if done.objects else "")
    text = "\n".join([f"{what} written as {form} to {to}", *(f"note: {note}" for note in notes)])
    return Answer({"format": form, "folder": str(to), "pictures": done.files, "objects": done.objects, "notes": notes}, text, json=json)


def _fetch(name: str, to: Path, *, json: bool, quiet: bool) -> Answer:
    from sonde.data import sets
    from sonde.data.open import known_sets
    from sonde.data.public_sets import SETS

    if name in known_sets() and name not in SETS:
        raise UsageError(f"{name} comes with the package", where="--to", remedy=f"there is nothing to fetch: sonde train {name}")
    spoke = time_module.monotonic()

    def tell(file: str, have: int, whole: int | None) -> None:
        nonlocal spoke
        if have == whole or time_module.monotonic() - spoke > PAUSE:
            spoke = time_module.monotonic()
            say(f"{file}: {have / 1e6:.1f} MB" + (f" of {whole / 1e6:.1f}" if whole else ""), quiet=quiet)

    files = [str(path) for path in sets.fetch(name, to, tell)]
    text = "\n".join(files) + f"\n\nwhere there is no network, set SONDE_DATA={to} and train on {name}"
    return Answer({"name": name, "folder": str(to), "files": files}, text, json=json)
