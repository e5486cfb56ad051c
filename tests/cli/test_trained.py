"""The commands on real, small runs: train, evaluate, predict, compare, report, runs, in the order a user would."""

from __future__ import annotations

import csv
import json
import random
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sonde.cli.main import main
from sonde.errors import Interrupted
from sonde.training.checkpoints import Checkpoints


def points(path: Path, *, rows: int, seed: int) -> Path:
    """A table in which `colour` follows from x, y and kind."""
    draw = random.Random(seed)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["key", "x", "y", "kind", "colour"])
        for row in range(rows):
            x, y, kind = draw.gauss(0, 1), draw.gauss(0, 1), draw.choice(["a", "b", "c"])
            table.writerow([f"p{row:03}", f"{x:.4f}", f"{y:.4f}", kind, "red" if x + y + (kind == "a") > 0.3 else "blue"])
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two tables and two finished runs, made by the command itself."""
    place = tmp_path_factory.mktemp("cli")
    points(place / "points.csv", rows=240, seed=0)
    points(place / "new.csv", rows=60, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        common = ["--target", "colour", "--id", "key", "--batch-size", "32", "--no-compile", "--quiet"]
        assert main(["train", "points.csv", *common, "--epochs", "8", "--set", "model.width=16"]) == 0
        assert main(["train", "points.csv", *common, "--epochs", "1", "--lr", "1e-5", "--out", "runs/short"]) == 0
    return place


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def document(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    """What a command prints with --json; its keys must stand in the command's section of docs/commands.md."""
    assert main([*words, "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    section = PAGE.read_text(encoding="utf-8").partition(f"## sonde {words[0]}")[2].partition("\n## ")[0]
    assert set(found) <= set(re.findall(r"`([a-z_]+)`", section))
    return found


def test_flags_and_settings_reach_the_recipe(here: Path) -> None:
    used = tomllib.loads((here / "runs" / "points-1" / "recipe.toml").read_text())
    assert used["data"]["target"] == ["colour"]
    assert used["model"]["config"]["width"] == 16
    assert used["training"]["epochs"] == 8


def test_training_says_what_it_does_and_where_things_are(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["train", "points.csv", "--target", "colour", "--drop", "key", "--epochs", "1", "--out", "runs/spoken", "--no-compile"]) == 0
    )
    seen = capsys.readouterr()
    assert seen.err.startswith("training on points.csv · target colour · drop key · epochs 1 · compile False\n")
    assert "task: classification of colour: 'colour' has 2 classes (--task regression changes it)" in seen.err
    assert "epoch 1  validation  accuracy" in seen.err
    assert "always " in seen.out
    assert "run      runs/spoken\n" in seen.out
    assert "predict  sonde predict runs/spoken FILE…" in seen.out


def test_document_of_training(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(
        capsys, "train", "points.csv", "--target", "colour", "--epochs", "1", "--out", "runs/told", "--no-compile", "--seed", "3"
    )
    assert (found["run"], found["task"], found["targets"], found["model"]["name"]) == ("runs/told", "classification", ["colour"], "mlp")
    assert Path(found["report"]).is_file()
    assert set(found["metrics"]) == {"train", "validation", "test"}
    assert found["baseline"]["metric"] == "accuracy"
    assert 0 < found["baseline"]["value"] < 1
    assert (found["epochs"], found["stopped"], found["monitor"], found["better"]) == (1, "epochs", "accuracy", "higher")


def test_resume_trains_longer(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = Checkpoints(here / "runs" / "spoken").load("last")[0].values["progress"]["elapsed"]
    found = document(capsys, "train", "--resume", "runs/spoken", "--epochs", "2")
    assert found["epochs"] == 2
    assert found["seconds"]["total"] > found["seconds"]["train"] > before > 0  # of both trainings


def test_evaluate(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "evaluate", "runs/points-1", "--at-least", "accuracy=0.5", "--at-most", "loss=5")
    assert found["passed"]
    assert found["part"] == "test"
    assert [check["met"] for check in found["thresholds"]] == [True, True]
    new = document(capsys, "evaluate", "runs/points-1", "new.csv")
    assert (new["data"], new["part"], new["examples"]) == ("new.csv", None, 60)
    assert any("fingerprint" in note for note in new["notes"])


def test_evaluate_exits_with_one_when_short(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "runs/points-1", "--part", "validation", "--at-least", "accuracy=1.01"]) == 1
    assert "is not at least 1.0100" in capsys.readouterr().out
    assert not document(capsys, "evaluate", "runs/points-1", "--part", "validation", "--at-most", "accuracy=0.01", code=1)["passed"]


def test_an_unknown_measure_spends_no_look_at_the_test_part(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    looks = json.loads((here / "runs" / "points-1" / "looks.json").read_text())["test"]
    assert main(["evaluate", "runs/points-1", "--at-least", "acuracy=0.9"]) == 2
    err = capsys.readouterr().err
    assert "--at-least: this run has no measure 'acuracy'" in err
    assert "did you mean 'accuracy'?" in err
    assert json.loads((here / "runs" / "points-1" / "looks.json").read_text())["test"] == looks


def test_predict_keeps_ids_and_order(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "predict", "runs/points-1", "new.csv")
    assert found["rows"] == 60
    assert [row["name"] for row in found["predictions"]] == [f"p{row:03}" for row in range(60)]
    assert found["columns"][:2] == ["name", "prediction"]
    assert {row["prediction"] for row in found["predictions"]} <= {"red", "blue"}


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet", "table"])
def test_predictions_as_files(ending: str, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / f"predictions.{ending}"
    assert main(["predict", "runs/points-1", "new.csv", "--out", str(out)]) == 0
    assert f"60 predictions in {out}" in capsys.readouterr().out
    read = {"csv": pl.read_csv, "json": pl.read_json, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}
    if ending in read:
        assert read[ending](out)["name"].to_list()[:2] == ["p000", "p001"]
    else:
        assert len(out.read_text().splitlines()) == 61
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_predictions_on_standard_output(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "runs/points-1", "new.csv", "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("name,prediction,probability:blue,probability:red\np000,")
    assert main(["predict", "runs/points-1", "new.csv"]) == 0
    seen = capsys.readouterr()
    assert len(seen.out.splitlines()) == 51
    assert "the first 50 of 60 rows" in seen.err


def test_several_tables_are_told_apart(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "predict", "runs/points-1", "new.csv", "points.csv")
    assert found["columns"][:3] == ["file", "name", "prediction"]
    assert [found["predictions"][row]["file"] for row in (0, 59, 60)] == ["new.csv", "new.csv", "points.csv"]


def test_submission(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = tmp_path / "sample.csv"
    sample.write_text("key,colour\n" + "".join(f"p{row:03},x\n" for row in reversed(range(60))))
    assert main(["predict", "runs/points-1", "new.csv", "--submission", str(sample)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "key,colour"
    assert [line.partition(",")[0] for line in lines[1:]] == [f"p{row:03}" for row in reversed(range(60))]
    sample.write_text("key,colour\np000,x\nq1,x\n")
    assert main(["predict", "runs/points-1", "new.csv", "--submission", str(sample)]) == 2
    err = capsys.readouterr().err
    assert "1 ids have no prediction: 'q1'" in err
    assert "59 predictions have ids that are not there" in err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["predict", "runs/points-1", "new.csv", "--out", "a.xml"], "the ending of 'a.xml' names no format"),
        (["predict", "runs/points-1", "new.csv", "--format", "parquet"], "Parquet is not text for a terminal"),
        (["predict", "runs/points-1", "new.csv", "--out", "nowhere/a.csv"], "nowhere: there is no such folder"),
        (["predict", "runs/none", "new.csv"], "runs/none: there is no such run"),
        (["evaluate", "runs"], "there is no model.json here"),
        (["compare", "runs/points-1"], "two runs are needed to compare"),
        (["compare", "runs/points-1", "runs/none"], "runs/none: there is no such run"),
        (["report", "runs/none"], "there is no run folder 'none'"),
        (["report"], "no run was named"),
        (["train", "points.csv", "--target", "colour", "--out", "runs/points-1"], "there is a run in this folder already"),
        (["train", "runs/points-1"], "this is a run, not data"),
        (["train", "pionts.csv"], "there is no file, recipe or set 'pionts.csv'"),
        (["train", "points.csv", "--target", "color"], "there is no column 'color' to predict"),
        (["train", "points.csv"], "which column is to be predicted? There are: key, x, y, kind, colour"),
        (["train", "--resume", "runs/none"], "runs/none: there is no such run"),
    ],
)
def test_mistakes(words: list[str], what: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(here.rglob("*"))
    assert main(words) == 2
    assert what in capsys.readouterr().err
    assert sorted(here.rglob("*")) == before


def test_compare(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "compare", "runs/points-1", "runs/short", "--out", str(tmp_path / "page.html"))
    assert [row["name"] for row in found["rows"]] == ["points-1", "short"]
    assert found["pick"]["name"] == "points-1"
    assert (tmp_path / "page.html").is_file()
    assert main(["compare", "runs/points-1", "runs/short"]) == 0
    out = capsys.readouterr().out
    assert "pick runs/points-1: it has the highest accuracy" in out
    assert "under-fits" in out


def test_report_without_examples(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "private.html"
    found = document(capsys, "report", "runs/points-1", "--no-examples", "--out", str(page))
    assert found == {"runs": ["runs/points-1"], "report": str(page), "examples": False}
    assert "p00" not in page.read_text(encoding="utf-8")


def test_report_makes_the_figures_anew(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = here / "runs" / "points-1" / "figures" / "explain.json"
    before = json.loads(file.read_text())
    file.write_text("{}")
    document(capsys, "report", "runs/points-1", "--figures", "--out", str(tmp_path / "page.html"))
    assert json.loads(file.read_text()) == before


def test_runs_lists_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {run["run"]: run for run in document(capsys, "runs")["runs"]}
    assert {"runs/points-1", "runs/short"} <= set(found)
    assert found["runs/points-1"]["state"] == "finished"
    assert Path(found["runs/points-1"]["data"]).name == "points.csv"
    assert main(["runs"]) == 0
    assert all(len(line) < 120 for line in capsys.readouterr().out.splitlines())


def test_vary(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "train",
        "points.csv",
        "--target",
        "colour",
        "--id",
        "key",
        "--epochs",
        "1",
        "--no-compile",
        "--vary",
        "model.width=2,32",
        "--out",
        "runs/widths",
    ]
    found = document(capsys, *words)
    assert [point["value"] for point in found["points"]] == [2, 32]
    assert Path(found["page"]).is_file()


def test_data(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "points.html"
    found = document(capsys, "data", "points.csv", "--target", "colour", "--out", str(page))
    assert found["task"]["name"] == "classification"
    assert {column["name"]: column["role"] for column in found["columns"]}["colour"] == "target"
    assert found["page"] == str(page)
    assert page.is_file()


def test_data_without_a_target_is_described(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "points.csv"]) == 0
    out = capsys.readouterr().out
    assert "no target is named; --target COLUMN chooses one" in out
    assert "kind" in out


def test_data_that_cannot_be_trained_on_exits_with_two(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("a,b\n1,2\n3\n")
    assert main(["data", str(broken), "--target", "b"]) == 2
    seen = capsys.readouterr()
    assert "→" in seen.out + seen.err


def test_data_that_has_shifted(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved = tmp_path / "moved.csv"
    pl.read_csv("points.csv").with_columns(pl.col("x") + 5).write_csv(moved)
    found = document(capsys, "data", str(moved), "--target", "colour", "--against", "runs/points-1")
    assert any("x" in problem["where"] for problem in found["problems"] if problem["level"] == "warning")
    same = document(capsys, "data", "points.csv", "--target", "colour", "--against", "points.csv")
    assert not [problem for problem in same["problems"] if problem["level"] == "warning"]


def test_lists_and_pages_need_no_torch(here: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from sonde.cli.main import main\n"
        "pair = ['runs/points-1', 'runs/short']\n"
        f"page = ['--out', {str(tmp_path / 'page.html')!r}]\n"
        "for words in (['runs'], ['recipes'], ['compare', *pair, *page], ['report', pair[0], *page], ['data', 'points.csv', '--target', 'colour', *page]):\n"
        "    assert main(words) == 0, words\n"
        "    assert 'torch' not in sys.modules, words\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_sets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"digits", "views", "mnist"} <= {each["name"] for each in document(capsys, "data")["sets"]}


def test_a_set_is_fetched_for_a_machine_without_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "titanic").mkdir(parents=True)
    for name in ("train.csv", "test.csv"):
        (tmp_path / "here" / "titanic" / name).write_text("Survived,Age\n1,30\n")
    monkeypatch.setenv("SONDE_DATA", str(tmp_path / "here"))
    found = document(capsys, "data", "titanic", "--to", str(tmp_path / "there"))
    assert [Path(file).name for file in found["files"]] == ["test.csv", "train.csv"]
    assert all(Path(file).is_file() for file in found["files"])
    assert main(["data", "views", "--to", str(tmp_path)]) == 2
    assert "views comes with the package" in capsys.readouterr().err


def test_an_interrupted_training_exits_with_130(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise Interrupted(
            "stopped by SIGINT at step 3; everything is saved", where="runs/a", remedy="go on with `sonde train --resume runs/a`"
        )

    monkeypatch.setattr("sonde.search.folds.train", stop)
    assert main(["train", "points.csv", "--target", "colour", "--quiet"]) == 130
    assert (
        capsys.readouterr().err
        == "runs/a: stopped by SIGINT at step 3; everything is saved\n  → go on with `sonde train --resume runs/a`\n"
    )


def test_ctrl_c_saves_and_says_how_to_go_on(here: Path) -> None:
    words = ["train", "points.csv", "--target", "colour", "--epochs", "100000", "--out", "runs/stopped", "--no-compile"]
    started = subprocess.Popen([sys.executable, "-m", "sonde", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    events = here / "runs" / "stopped" / "events.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (events.is_file() and '"evaluate"' in events.read_text()):
        time.sleep(0.1)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=120)
    assert started.returncode == 130
    assert out == ""
    assert "go on with `sonde train --resume runs/stopped`" in err
    assert "Traceback" not in err
