"""`sonde evaluate RUN [DATA]`: a run's measures, and whether they are good enough."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from sonde.cli.flags import Json, Quiet, many, measures
from sonde.cli.output import Answer, number, say, table
from sonde.errors import UsageError, did_you_mean

SHORT = 1


def evaluate(
    run: Annotated[str, Parameter(help="run folder")],
    data: Annotated[str | None, Parameter(help="new data of the same form, target included [default: the run's own part]")] = None,
    /,
    *,
    part: Annotated[Literal["train", "validation", "test"], Parameter(help="which of the run's own parts")] = "test",
    at_least: Annotated[tuple[str, ...], many("exit with 1 unless this is reached: --at-least accuracy=0.9 (repeatable)")] = (),
    at_most: Annotated[tuple[str, ...], many("exit with 1 above this: --at-most rmse=50000 (repeatable)")] = (),
    compare: Annotated[tuple[str, ...], many("texts to rank by how likely the run's language model finds them", several=True)] = (),
    mix: Annotated[tuple[str, ...], many("language models to average probabilities with: RUN (weighed on the validation part) or RUN=0.4", several=True)] = (),
    public: Annotated[float, Parameter(help="play a contest: so large a share of DATA is its public part, the rest is private", show_default=False)] = 0.0,
    ahead: Annotated[str, Parameter(help="errors so many steps ahead of a series, predictions fed back: --ahead 1,4,16,64", show_default=False)] = "",
    analogies: Annotated[Path | None, Parameter(help="answer these questions by the run's word vectors (word2vec's questions-words.txt)")] = None,
    int8: Annotated[bool, Parameter(negative="", help="of the BERT family: measure 8-bit whole numbers on the CPU too, beside float32")] = False,
    device: Annotated[str | None, Parameter(help="cpu, cuda, cuda:1, mps [default: the best there is]")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> Answer:
    """Measure a run. Each look at the test part is counted in the run folder."""
    limits = [("at-least", *pair) for pair in measures(at_least, flag="--at-least").items()]
    limits += [("at-most", *pair) for pair in measures(at_most, flag="--at-most").items()]

    from sonde.run import Run

    loaded = Run.load(run).to("cpu" if int8 and device is None else device)
    if mix:
        _alone("mix", {"public": public, "ahead": ahead, "analogies": analogies, "int8": int8})
        from sonde.mixture import mixed, opened

        runs, asked = opened(loaded, mix, device)
        together, weights = mixed(runs, asked)
        if compare:
            return _compared(together, compare, json=json)
        return _mixed(runs, together, weights, data, part, limits, json=json)
    if compare:
        return _compared(loaded, compare, json=json)
    if ahead:
        return _far(loaded, ahead, part, json=json)
    if analogies is not None:
        return _answered(loaded, analogies, limits, json=json)
    _known(limits, loaded.metrics)  # before the work, and before a look at the test part is spent
    if public:
        return _contest(loaded, data, public, limits, json=json)
    if int8:
        return _rounded(loaded, data, part, limits, json=json)
    found = loaded.evaluate(data, part=part)
    for note in found["notes"]:
        say(f"note: {note}", quiet=quiet)
    values: Mapping[str, float] = found["metrics"]
    _known(limits, values)
    checks = [_check(kind, name, limit, values[name]) for kind, name, limit in limits]
    passed = all(check["met"] for check in checks)
    document = {"run": run, "data": data, "part": part if data is None else None, "examples": found["examples"], "metrics": values}
    lines = [
        f"{run} on {data or f'its {part} part'}, {number(found['examples'])} examples",
        table(list(values.items()), ("measure", "value")),
    ]
    lines += [_sentence(check) for check in checks]
    return Answer(
        {**document, "notes": found["notes"], "thresholds": checks, "passed": passed},
        "\n".join(lines),
        json=json,
        code=0 if passed else SHORT,
    )


def _rounded(run: Any, data: str | None, part: str, limits: list[tuple[str, str, float]], *, json: bool) -> Answer:
    """Measures in float32 and in int8, and how far outputs are apart. Limits are asked of int8."""
    if data is None and run.folds:
        raise UsageError("a K-fold has no part of its own", where="--int8", remedy=f"evaluate one fold: {run.folds[0].path}")
    found = run.rounded(data, part=part)
    checks = [_check(kind, name, limit, found["int8"][name]) for kind, name, limit in limits]
    passed = all(check["met"] for check in checks)
    rows = [(name, value, found["int8"][name]) for name, value in found["float32"].items()]
    head = f"{run.path} on {data or f'its {part} part'}, {number(found['examples'])} examples"
    said = f"outputs differ by {number(found['difference'])} at most"
    document = {"run": str(run.path), "data": data, "part": part if data is None else None, **found, "thresholds": checks, "passed": passed}
    text = "\n".join([head, table(rows, ("measure", "float32", "int8")), said, *map(_sentence, checks)])
    return Answer(document, text, json=json, code=0 if passed else SHORT)


def _alone(flag: str, others: Mapping[str, Any]) -> None:
    """Raises UsageError where another way of measuring was asked for beside `flag`."""
    for name, value in others.items():
        if value:
            raise UsageError(f"--{flag} and --{name} were both given", where="sonde evaluate", remedy="give one of the two")


def _mixed(
    runs: list[Any], together: Any, weights: tuple[float, ...], data: str | None, part: str, limits: list[tuple[str, str, float]], *, json: bool
) -> Answer:
    """Measures of language models by themselves and of their mixture. Limits are asked of the mixture."""
    from sonde.run import PartData

    _known(limits, runs[0].metrics)
    alone = [run.evaluate(data, part=part) for run in runs]  # each counts its look at the test part
    whole = together.measured(PartData(*together.part(part)) if data is None else together.labelled(data)[0])
    checks = [_check(kind, name, limit, whole[name]) for kind, name, limit in limits]
    passed = all(check["met"] for check in checks)
    names = [str(run.path) for run in runs]
    rows = [("weight", *weights, sum(weights)), *((name, *(each["metrics"][name] for each in alone), value) for name, value in whole.items())]
    head = f"on {data or f'the {part} part'}, {number(alone[0]['examples'])} examples"
    document = {
        "runs": [{"run": name, "weight": weight, "metrics": each["metrics"]} for name, weight, each in zip(names, weights, alone, strict=True)],
        "data": data,
        "part": part if data is None else None,
        "examples": alone[0]["examples"],
        "metrics": whole,
        "thresholds": checks,
        "passed": passed,
    }
    text = "\n".join([head, table(rows, ("measure", *names, "mixed")), *map(_sentence, checks)])
    return Answer(document, text, json=json, code=0 if passed else SHORT)


def _contest(run: Any, data: str | None, share: float, limits: list[tuple[str, str, float]], *, json: bool) -> Answer:
    """A leaderboard's two scores of a run. Limits are asked of the private part, which decides a contest."""
    if data is None or not 0 < share < 1:
        remedy = "sonde evaluate RUN answers.csv --public 0.3"
        raise UsageError("a contest is played on new data, a share over 0 and under 1 of which is public", where="--public", remedy=remedy)
    from sonde.search.contest import play

    public, private = play(run, data, public=share)
    checks = [_check(kind, name, limit, private.metrics[name]) for kind, name, limit in limits]
    passed = all(check["met"] for check in checks)
    rows = [(name, value, private.metrics[name]) for name, value in public.metrics.items()]
    head = f"{run.path} on {data}: {number(public.examples)} public and {number(private.examples)} private examples"
    document = {"run": str(run.path), "data": data, "public": vars(public), "private": vars(private), "thresholds": checks, "passed": passed}
    text = "\n".join([head, table(rows, ("measure", "public", "private")), *map(_sentence, checks)])
    return Answer(document, text, json=json, code=0 if passed else SHORT)


def _compared(run: Any, texts: tuple[str, ...], *, json: bool) -> Answer:
    """Texts, the likeliest first."""
    from sonde.writing import likelihoods

    found = sorted(likelihoods(run, texts), key=lambda one: -one.log_probability)
    columns = ("text", "log_probability", "perplexity", "character_perplexity", "tokens", "unknown")
    rows = [{name: getattr(one, name) for name in columns} for one in found]
    shown = [tuple(row.values()) for row in rows]
    return Answer({"run": str(run.path), "texts": rows}, table(shown, [name.replace("_", " ") for name in columns]), json=json)


def _far(run: Any, steps: str, part: str, *, json: bool) -> Answer:
    """Errors by how many steps ahead they are made."""
    from sonde.explain.ahead import ahead

    pieces = [piece.strip() for piece in steps.split(",")]
    if not all(piece.isdecimal() and int(piece) for piece in pieces):
        raise UsageError(f"--ahead {steps} are no numbers of steps", where="--ahead", remedy="give whole numbers from 1: --ahead 1,4,16,64")
    found = ahead(run, [int(piece) for piece in pieces], part=part)
    if part == "test":
        run.look()
    rows = found.rows()
    head = f"{run.path} on its {part} part, {number(found.moments)} moments"
    text = f"{head}\n{table([tuple(row.values()) for row in rows], tuple(rows[0]))}"
    return Answer({"run": str(run.path), "part": part, "moments": found.moments, "ahead": rows}, text, json=json)


def _answered(run: Any, path: Path, limits: list[tuple[str, str, float]], *, json: bool) -> Answer:
    """How many questions of analogy the word vectors answer, by section and in all."""
    from sonde.word_vectors import read_questions, word_vectors

    questions, vectors = read_questions(path), word_vectors(run)
    _known(limits, {"accuracy": None})
    counts = {section: (*vectors.analogies(some), len(some)) for section, some in questions.items()}
    counts["all"] = tuple(sum(column) for column in zip(*counts.values(), strict=True))
    rows: list[dict[str, Any]] = [
        {"section": section, "right": right, "asked": asked, "questions": total, "accuracy": right / asked if asked else None}
        for section, (right, asked, total) in counts.items()
    ]
    accuracy = rows[-1]["accuracy"] or 0.0
    checks = [_check(kind, name, limit, accuracy) for kind, name, limit in limits]
    passed = all(check["met"] for check in checks)
    text = "\n".join([table([tuple(row.values()) for row in rows], tuple(rows[-1])), *map(_sentence, checks)])
    document = {"run": str(run.path), "analogies": rows, "thresholds": checks, "passed": passed}
    return Answer(document, text, json=json, code=0 if passed else SHORT)


def _known(limits: list[tuple[str, str, float]], values: Mapping[str, Any]) -> None:
    for kind, name, _ in limits:
        if name not in values:
            raise UsageError(f"--{kind}: this run has no measure {name!r}", remedy=did_you_mean(name, values))


def _check(kind: str, name: str, limit: float, value: float) -> dict[str, Any]:
    met = value >= limit if kind == "at-least" else value <= limit
    return {"metric": name, "kind": kind, "limit": limit, "value": value, "met": met}


def _sentence(check: dict[str, Any]) -> str:
    verb = "is" if check["met"] else "is not"
    return f"{check['metric']} {number(check['value'])} {verb} {check['kind'].replace('-', ' ')} {number(check['limit'])}"
