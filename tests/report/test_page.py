"""Reports of runs: whole, broken, hostile and private ones."""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from report import sample_run
from report.checker import Page, check
from sonde.errors import RunError
from sonde.report.page import write_report
from sonde.report.read import Pictures, read_run

MAKERS = {
    "images": sample_run.images,
    "regression": sample_run.regression,
    "forecasting": sample_run.forecasting,
    "folds": sample_run.folds,
    "perceptron": sample_run.perceptron,
}
BROKEN = "Left out, as the files of the run hold something unexpected"
SECTIONS = {
    "images": {
        "results",
        "training",
        "confusion",
        "classes",
        "calibration",
        "worst",
        "surface",
        "scale",
        "data",
        "problems",
        "speed",
        "looks",
        "repeat",
    },
    "regression": {"results", "training", "residuals", "worst", "importance", "scale", "data", "problems", "speed", "looks", "repeat"},
    "forecasting": {"results", "training", "forecast", "residuals", "data", "problems", "speed", "looks", "repeat"},
    "folds": {"folds", "training", "residuals", "worst", "importance", "data", "problems", "speed", "looks", "repeat"},
    "perceptron": {"results", "words", "training", "trace", "boundary", "repeat"},
}


def report(run: Path, *, examples: bool = True) -> Page:
    page = check(write_report([run], examples=examples))
    assert BROKEN not in page.text
    return page


@pytest.mark.parametrize("kind", MAKERS)
def test_a_run_of_each_kind(kind: str, tmp_path: Path) -> None:
    run = MAKERS[kind](tmp_path / "run-1")
    out = write_report([run])
    assert out == run / "report.html"
    page = check(out)
    assert BROKEN not in page.text
    shown = {str(values["id"]) for name, values in page.tags if name == "section"}
    assert shown == SECTIONS[kind] | {"glossary"}
    assert out.stat().st_size < 400_000
    assert list(run.glob(".report*")) == []


def test_headline_says_what_was_trained_on_what_and_what_it_means(tmp_path: Path) -> None:
    page = report(sample_run.images(tmp_path / "digits-1"))
    words = " ".join(page.text.split())
    assert "lenet was trained to tell 10 classes of picture apart on digits (1,797 pictures)" in words
    assert "98.2 %" in words
    assert "Of 100 unseen examples, about 98.2 get the right class" in words
    assert "another such sample would likely give between 95.7 % and 99.2 %" in words
    assert "Always giving the commonest class would reach 10.0 %" in words
    assert "15 epochs, 300 steps" in words
    assert "best, 98" in words
    for command in ("sonde train", "--resume", "sonde predict", "sonde evaluate", "sonde.load("):
        assert command in words
    assert 'name = "lenet"' in words


def test_the_forecast_is_held_against_persistence(tmp_path: Path) -> None:
    words = " ".join(report(sample_run.forecasting(tmp_path / "views")).text.split())
    assert "518.8 off on average" in words
    assert "Saying “as today” ( persistence ) is 601.3 off" in words


def test_folds_show_mean_and_deviation(tmp_path: Path) -> None:
    words = " ".join(report(sample_run.folds(tmp_path / "houses")).text.split())
    assert "0.1296 ± 0.0030" in words
    assert "mean over 5 folds" in words
    assert "1,168 training in each fold, 1,460 held out once" in words
    assert "on houses (1,460 rows)" in words
    assert "What each fold held out was looked at once" in words
    assert "fold 5" in words


def test_overfitting_and_vanishing_gradients_are_named(tmp_path: Path) -> None:
    words = " ".join(report(sample_run.regression(tmp_path / "houses")).text.split())
    assert "1.38 times as large an error. That is overfitting" in words
    assert re.search(r"gradients vanish first in layers\.2 : \d\.\d+×10⁻⁷", words)
    assert "looked at 3 times" in words


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    run = sample_run.images(tmp_path / "run")
    first = write_report([run], tmp_path / "a.html").read_bytes()
    assert write_report([run], tmp_path / "b.html").read_bytes() == first


def test_runs_side_by_side(tmp_path: Path) -> None:
    runs = [
        sample_run.regression(tmp_path / "houses-1"),
        sample_run.regression(tmp_path / "houses-2", seed=3),
        sample_run.folds(tmp_path / "houses-3"),
    ]
    (runs[1] / "recipe.toml").write_text((runs[1] / "recipe.toml").read_text().replace("epochs = 40", "epochs = 50"))
    out = write_report(runs)
    assert out == tmp_path / "report.html"
    page = check(out)
    assert BROKEN not in page.text
    words = " ".join(page.text.split())
    assert "training epochs 40 50 40" in words
    assert page.headings.count("houses-2") > 8
    assert out.stat().st_size < 1_500_000


FILES = ["recipe.toml", "model.json", "metrics.json", "data.json", "figures/explain.json", "environment.json", "looks.json", "events.jsonl"]


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_leaves_its_sections_out(file: str, tmp_path: Path) -> None:
    run = sample_run.images(tmp_path / "run")
    (run / file).unlink()
    report(run)


@pytest.mark.parametrize("kind", ["regression", "forecasting", "folds", "perceptron"])
def test_without_measures_or_description(kind: str, tmp_path: Path) -> None:
    run = MAKERS[kind](tmp_path / "run")
    (run / "metrics.json").unlink()
    report(run)
    (run / "model.json").unlink()
    (run / "data.json").unlink(missing_ok=True)
    report(run)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"a": ', "\x00\xff", '{"event": "train"}\n{"event": 3}\n[]\nnull\n'])
def test_damaged_files_leave_their_sections_out(content: str, tmp_path: Path) -> None:
    for half in (0, 1):
        run = sample_run.images(tmp_path / str(half))
        for file in FILES[half::2]:
            (run / file).write_text(content, encoding="latin-1")
        report(run)


def test_only_one_file(tmp_path: Path) -> None:
    for index, file in enumerate(["recipe.toml", "metrics.json", "events.jsonl", "model.json", "data.json"]):
        run = tmp_path / str(index)
        shutil.copytree(sample_run.images(tmp_path / f"whole-{index}"), run)
        for other in run.rglob("*"):
            if other.is_file() and other.name != file:
                other.unlink()
        report(run)


def test_a_run_stopped_early(tmp_path: Path) -> None:
    run = sample_run.images(tmp_path / "run")
    for file in ("metrics.json", "figures/explain.json"):
        (run / file).unlink()
    lines = (run / "events.jsonl").read_text().splitlines()
    kept = [line for line in lines if json.loads(line).get("step", 0) <= 100 and json.loads(line)["event"] != "stop"]
    stop = json.dumps({"event": "stop", "step": 100, "reason": "signal", "message": "SIGTERM"})
    (run / "events.jsonl").write_text("\n".join([*kept, stop, '{"event": "train", "ste']))
    words = " ".join(report(run).text.split())
    assert "This run has no final measurement: it was interrupted at step 100" in words
    assert "sonde train --resume" in words
    assert "accuracy on the validation part" in words


def test_losses_that_are_no_numbers(tmp_path: Path) -> None:
    run = sample_run.images(tmp_path / "run")
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    for event in events:
        if event["event"] == "train" and event["step"] >= 200:
            event["loss"], event["gradient_norm"], event["lr"] = float("nan"), float("inf"), None
    for event in events:
        if event["event"] == "evaluate" and event["epoch"] > 9:
            event["metrics"] = {"accuracy": 0.1, "loss": float("-inf")}
        if event["event"] == "scale":
            event["layers"][2]["activation"] = float("nan")
    sample_run.write_events(run, events)
    metrics = json.loads((run / "metrics.json").read_text())
    metrics["test"]["loss"] = float("nan")
    sample_run.write(run, "metrics.json", metrics)
    words = " ".join(report(run).text.split())
    assert re.search(r"loss was not a finite number in 51 of 151 reports, first at step 200", words)
    assert "activations explode first in dense1 : no finite number" in words
    assert "not a number" in words


def test_the_last_measurement_of_the_best_weights_is_no_point_of_the_curve(tmp_path: Path) -> None:
    """The end measures the best weights again, with more measures, at the last step."""
    run = sample_run.images(tmp_path / "run")
    last = {"event": "evaluate", "step": 300, "epoch": 15, "part": "validation", "metrics": {"accuracy": 0.123, "macro-f1": 0.9}}
    with (run / "events.jsonl").open("a") as file:
        file.write(json.dumps(last) + "\n")
    page = report(run)
    read = [json.loads(str(values["data-hover"])) for _, values in page.tags if values.get("data-hover")]
    validation = [points for chart in read for name, points in chart["lines"] if name == "validation"]
    assert len(validation) == 2, "a measure taken once is no curve"
    assert all(y != 0.123 for points in validation for _, y in points)


def test_a_loss_that_is_met_is_no_fault(tmp_path: Path) -> None:
    run = sample_run.perceptron(tmp_path / "run")
    event = {"event": "scale", "step": 8, "layers": [{"name": "network.output", "activation": 1.0, "gradient": 0.0, "weight": 0.5}]}
    with (run / "events.jsonl").open("a") as file:
        file.write(json.dumps(event) + "\n")
    words = " ".join(report(run).text.split())
    assert "gradient is exactly 0: the loss is met" in words
    assert "network.output" not in words


def test_every_number_missing(tmp_path: Path) -> None:
    """Every loss and measure NaN: a run that never worked."""
    run = sample_run.images(tmp_path / "run")
    source = re.sub(r"(?<=[ \[])-?\d+\.\d+(e-?\d+)?", "NaN", (run / "events.jsonl").read_text())
    (run / "events.jsonl").write_text(source)
    report(run)


def test_one_single_point(tmp_path: Path) -> None:
    run = tmp_path / "run"
    events = [
        {"event": "start", "steps_per_epoch": 1, "epochs": 1, "examples": 1, "parameters": 1},
        {
            "event": "train",
            "step": 1,
            "epoch": 1,
            "loss": 0.5,
            "lr": 0.1,
            "examples_per_second": 10.0,
            "gradient_norm": 1.0,
            "metrics": {"accuracy": 1.0},
        },
        {"event": "evaluate", "step": 1, "epoch": 1, "part": "validation", "metrics": {"accuracy": 1.0, "loss": 0.5}},
        {"event": "scale", "step": 1, "layers": [{"name": "output", "activation": 1.0, "gradient": 0.1, "weight": 0.1}]},
    ]
    sample_run.write_events(run, events)
    sample_run.write(
        run,
        "figures/explain.json",
        {"residuals": {"target": [1.0], "prediction": [2.0]}, "importance": [{"column": "a", "mean": 0.1, "sd": None}]},
    )
    page = report(run)
    assert {"training", "scale", "residuals", "importance"} <= set(page.ids)


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "';--",
    "]]>",
    "{}",
    "[loss] `x` **y**",
    "\u202egnp.exe",
    "a\x00b\ud800",
    "</style>",
    "x" * 5000,
]


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    run = sample_run.images(tmp_path / "run")
    for file in ("model.json", "data.json", "figures/explain.json", "metrics.json", "environment.json"):
        value = json.loads((run / file).read_text())
        hostile = iter(HOSTILE * 1000)
        sample_run.write(run, file, poison(value, hostile))
    lines = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    hostile = iter(HOSTILE * 1000)
    sample_run.write_events(run, [{**poison(line, hostile), "event": line["event"]} for line in lines])
    source = check(write_report([run]))
    assert "alert(1)" in source.text
    assert source.count("script") == 1
    assert all(name != "img" or str(values["src"]).startswith("data:") for name, values in source.tags)


def poison(value: Any, hostile: Any) -> Any:
    """All text, and every second key of a table that is free, replaced by hostile text; what the reader must know stays."""
    known = {"classification", "images", "train", "validation", "test", "warning", "accuracy"}
    if isinstance(value, dict):
        return {key: poison(item, hostile) for key, item in value.items()} | {next(hostile): "x"}
    if isinstance(value, list):
        return [poison(item, hostile) for item in value]
    if isinstance(value, str) and value not in known and not value.endswith(".png"):
        return next(hostile)
    return value


def test_extremely_long_names_stay_small(tmp_path: Path) -> None:
    run = sample_run.regression(tmp_path / "run")
    data = json.loads((run / "data.json").read_text())
    for column in data["columns"]:
        column["name"] = column["name"] * 20_000
        column["why"] = "because " * 10_000
    sample_run.write(run, "data.json", data)
    explained = json.loads((run / "figures" / "explain.json").read_text())
    for each in explained["importance"]:
        each["column"] = each["column"] * 20_000
    for each in explained["worst"]:
        each["row"] = {key * 5000: str(value) * 5000 for key, value in each["row"].items()}
    sample_run.write(run, "figures/explain.json", explained)
    report(run)
    assert (run / "report.html").stat().st_size < 500_000


def test_many_of_everything_stays_small(tmp_path: Path) -> None:
    run = sample_run.images(tmp_path / "run")
    names = [f"class {index}" for index in range(150)]
    sample_run.write(
        run,
        "figures/explain.json",
        {"confusion": {"classes": names, "counts": [[int(r == c) * 5 + int(r * 3 % 150 == c) for c in range(150)] for r in range(150)]}},
    )
    data = json.loads((run / "data.json").read_text())
    data["classes"] = [{"name": name, "counts": {"train": index + 1}} for index, name in enumerate(names)]
    data["columns"] = [
        {"name": f"column {index}", "type": "number", "role": "feature", "missing": 0, "distinct": 5} for index in range(1000)
    ]
    data["problems"] = [
        {"level": "error", "where": f"line {index}", "found": f"{index} is wrong", "remedy": "mend it"} for index in range(1000)
    ]
    sample_run.write(run, "data.json", data)
    layers = [{"name": f"layers.{index}", "activation": 1.0, "gradient": 0.1, "weight": 0.1} for index in range(1001)]
    events = [{"event": "train", "step": step, "epoch": 0, "loss": 1 / (step + 1), "lr": 0.1} for step in range(4_000)]
    sample_run.write_events(run, [*events, {"event": "scale", "step": 1, "layers": layers}])
    page = report(run)
    assert "The first 200 of 1,000 columns" in page.text
    assert "and 600 more" in page.text
    assert (run / "report.html").stat().st_size < 1_000_000


def test_pictures_stay_within_their_room(tmp_path: Path) -> None:
    run = sample_run.images(tmp_path / "run")
    noise = bytes(range(256)) * 400
    for index in range(24):
        (run / "figures" / f"data-{index}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + noise)
    page = report(run)
    assert (run / "report.html").stat().st_size < 1_500_000
    assert "pictures left out to keep the page small" in page.text
    assert page.count("img") > 5


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    """24 photographs as PNG of a quarter of a megabyte each."""
    run = sample_run.images(tmp_path / "run")
    draw = random.Random(0)
    photograph = sample_run.png([[draw.randint(0, 255) for _ in range(512)] for _ in range(512)])
    for index in range(24):
        (run / "figures" / f"data-{index}.png").write_bytes(photograph)
    page = report(run)
    assert len(photograph) > 250_000
    assert page.count("img") == 24 + 8
    assert (run / "report.html").stat().st_size < 1_500_000
    assert "left out to keep" not in page.text


def test_pictures_come_from_the_run_folder_alone(tmp_path: Path) -> None:
    picture = sample_run.png([[0]])
    (tmp_path / "secret.png").write_bytes(picture)
    run = tmp_path / "run"
    (run / "figures").mkdir(parents=True)
    (run / "figures" / "a.png").write_bytes(picture)
    (run / "figures" / "b.png").write_text("no picture")
    (run / "figures" / "c.png").symlink_to(tmp_path / "secret.png")
    pictures = Pictures()
    assert pictures.address(run, "figures/a.png") == "data:image/png;base64," + base64.b64encode(picture).decode()
    for file in ("../secret.png", str(tmp_path / "secret.png"), "figures/b.png", "figures/c.png", "figures", "", "a\x00b", None, 3):
        assert pictures.address(run, file) is None


def test_no_run_to_report_on(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run was named"):
        write_report([])
    with pytest.raises(RunError, match=r"there is no run folder 'leaves-9'\n  → `sonde runs` lists the runs there are"):
        write_report([tmp_path / "leaves-9"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="this folder holds no run"):
        write_report([tmp_path / "empty"])


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    run = sample_run.perceptron(tmp_path / "run")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"page could not be written: .*\n  → name another place with --out, or make room"):
        write_report([run], tmp_path / "file" / "report.html")
    with pytest.raises(RunError, match="page could not be written"):
        write_report([run], tmp_path)


def test_reading_takes_folds_in_order(tmp_path: Path) -> None:
    run = sample_run.perceptron(tmp_path / "run")
    for index in (10, 2, 1):
        sample_run.perceptron(run / "folds" / str(index))
    (run / "folds" / "notes").mkdir()
    assert [fold.path.name for fold in read_run(run).folds] == ["1", "2", "10"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(MAKERS)),
    file=st.sampled_from(["model.json", "metrics.json", "data.json", "figures/explain.json", "events.jsonl"]),
    data=st.data(),
)
def test_any_value_may_be_anything(kind: str, file: str, data: st.DataObject, tmp_path: Path) -> None:
    """Whatever stands in some places of a file, there is a whole page; it says where it had to leave something out."""
    run = tmp_path / kind
    if not (run / "recipe.toml").exists():
        MAKERS[kind](run)
    path = run / file
    if not path.exists():
        return
    before = path.read_text()
    try:
        if file == "events.jsonl":
            lines = [json.loads(line) for line in before.splitlines()]
            for _ in range(8):
                line = data.draw(st.integers(0, len(lines) - 1))
                lines[line] = changed(lines[line], data)
            path.write_text("\n".join(json.dumps(line) for line in lines))
        else:
            value = json.loads(before)
            for _ in range(8):
                value = changed(value, data)
            path.write_text(json.dumps(value))
        check(write_report([run]))
    finally:
        path.write_text(before)


def changed(value: Any, data: st.DataObject) -> Any:
    """`value` with something else at one place."""
    if isinstance(value, (dict, list)) and value and data.draw(st.integers(0, 5)):
        key = data.draw(st.sampled_from(list(value))) if isinstance(value, dict) else data.draw(st.integers(0, len(value) - 1))
        copy = value.copy()
        copy[key] = changed(value[key], data)
        return copy
    return data.draw(json_values)
