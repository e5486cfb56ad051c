"""A detector by its commands: trained, measured, asked about pictures and folders, cut into folds and reported."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

import sonde
from sonde.cli.main import main
from sonde.run import Run

NARROW = ["--set", "model.width=8", "--set", "model.blocks=[1,1,1,1]", "--set", "model.extras=[16]", "--set", "model.scales=[0.15,0.3,0.5,0.7,0.9]"]


def squares(folder: Path, *, count: int, seed: int) -> Path:
    """Dark pictures of two shapes with one or two bright squares, red ones and green ones, and a COCO file of them."""
    draw = np.random.default_rng(seed)
    folder.mkdir()
    images, annotations = [], []
    for number in range(count):
        height, width = [(72, 96), (96, 80)][number % 2]
        pixels = draw.integers(0, 60, (height, width, 3)).astype(np.uint8)
        images.append({"id": number + 1, "file_name": f"p{number}.png", "width": width, "height": height})
        for _ in range(number % 3):
            side, kind = int(draw.integers(20, 40)), int(draw.integers(2))
            x, y = int(draw.integers(0, width - side)), int(draw.integers(0, height - side))
            pixels[y : y + side, x : x + side, kind] = 230
            box = {"bbox": [x, y, side, side], "area": side * side, "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, "image_id": number + 1, "category_id": kind + 1, **box})
        Image.fromarray(pixels).save(folder / f"p{number}.png")
    categories = [{"id": 1, "name": "red"}, {"id": 2, "name": "green"}]
    (folder / "boxes.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures to learn from, new ones, a run and a run of two folds."""
    place = tmp_path_factory.mktemp("detector")
    squares(place / "squares", count=16, seed=0)
    squares(place / "new", count=6, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        common = ["--model", "ssd-small", *NARROW, "--batch-size", "4", "--no-compile", "--quiet", "--device", "cpu"]
        assert main(["train", "squares", *common, "--epochs", "4", "--lr", "0.005", "--out", "run"]) == 0
        assert main(["train", "squares", *common, "--epochs", "1", "--folds", "2", "--out", "folds"]) == 0
    return place


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(list(words)) == code
    return capsys.readouterr().out


def test_measures_of_a_detector_and_limits_on_them(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "evaluate", "run", "--json", "--at-least", "map-50=0.0"))
    assert {"map-50", "map", "map-75", "recall-100", "voc-ap", "voc07-ap", "ap-50:red", "ap-50:green"} <= set(found["metrics"])
    assert next(iter(found["metrics"])) == "map-50"
    assert found["passed"]
    assert "is not at least" in said(capsys, "evaluate", "run", "--at-least", "map-50=1.1", code=1)
    assert json.loads(said(capsys, "evaluate", "run", "new", "--json"))["examples"] == 6


def test_map_50_is_measured_each_epoch_and_chooses_the_best(here: Path) -> None:
    events = [json.loads(line) for line in (here / "run" / "events.jsonl").read_text().splitlines()]
    measured = [event["metrics"]["map-50"] for event in events if event["event"] == "evaluate"]
    assert len(measured) == 4
    written = json.loads((here / "run" / "metrics.json").read_text())
    assert written["monitor"] == "map-50"
    assert written["best"]["value"] == max(measured)


def test_rows_of_objects(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = sonde.load("run").predict("new")
    assert rows.columns == ["image", "label", "score", "left", "top", "right", "bottom"]
    assert rows["image"].unique().len() == 6
    sure = rows.filter(pl.col("score") >= 0.05)
    assert set(sure["label"]) <= {"red", "green"}
    assert ((sure["left"] >= 0) & (sure["left"] <= sure["right"]) & (sure["right"] <= 96) & (sure["bottom"] <= 96)).all()
    written = pl.read_csv(said(capsys, "predict", "run", "new", "--score", "0.05", "--format", "csv", "--quiet").encode())
    assert written["label"].drop_nulls().to_list() == sure["label"].to_list()
    assert written["left"].drop_nulls().to_list() == pytest.approx(sure["left"].to_list(), abs=0.006)


def test_files_and_folders_are_alike(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = said(capsys, "predict", "run", "new", "--score", "0", "--format", "csv", "--quiet")
    single = said(capsys, "predict", "run", *[f"new/p{n}.png" for n in range(6)], "--score", "0", "--format", "csv", "--quiet")
    numbers = ["score", "left", "top", "right", "bottom"]
    assert pl.read_csv(whole.encode()).select(numbers).equals(pl.read_csv(single.encode()).select(numbers))


def test_the_document_is_a_file_of_cocos_that_can_be_read_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "predict", "run", "new", "--score", "0.05", "--json", "--quiet"))
    assert found["rows"] == len(found["annotations"])
    assert [one["name"] for one in found["categories"]] == ["red", "green"]
    assert {one["file_name"] for one in found["images"]} == {f"p{n}.png" for n in range(6)}
    assert {one["image_id"] for one in found["annotations"]} <= {one["id"] for one in found["images"]}
    again = here / "again"
    again.mkdir(exist_ok=True)
    for n in range(6):
        (again / f"p{n}.png").write_bytes((here / "new" / f"p{n}.png").read_bytes())
    (again / "found.json").write_text(json.dumps(found))
    assert len(Run.load("run").opened("again")) == 6


def test_results_for_cocos_tools(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "predict", "run", "new", "--score", "0.05", "--out", "results.json", "--quiet")
    results: list[dict[str, Any]] = json.loads(Path("results.json").read_text())
    assert results
    assert set(results[0]) == {"image_id", "category_id", "bbox", "score"}


def test_pictures_with_what_was_found(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "predict", "run", "new", "new/p0.png", "--score", "0.05", "--pictures", "drawn", "--quiet")
    assert sorted(path.name for path in Path("drawn").iterdir()) == [*(["p0-2.jpg", "p0.jpg"]), *(f"p{n}.jpg" for n in range(1, 6))]
    with Image.open("drawn/p1.jpg") as drawn:
        assert max(drawn.size) >= 480, "small pictures are enlarged, so that tags can be read"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--score", "1.5"), r"--score: a score of 1.5 is none: they go from 0 to 1"),
        (("--blur-background", "red"), r"--blur-background: there is no folder for the blurred pictures"),
        (("--blur-background", "read", "--pictures", "drawn"), r"this run knows no class 'read'.*\n.*did you mean 'red'"),
        (("--blur-background", "red", "--pictures", "drawn"), r"this run finds boxes and no outlines"),
        (("--pictures", "new/p0.png"), r"new/p0.png: no folder can be made here"),
    ],
)
def test_flags_that_do_not_fit(here: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str) -> None:
    capsys.readouterr()
    assert main(["predict", "run", "new", *words]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_a_submission_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("sample.csv").write_text("image,label\np0.png,red\n")
    capsys.readouterr()
    assert main(["predict", "run", "new", "--submission", "sample.csv"]) == 2
    assert "a submission has a row an example, and this run finds objects" in capsys.readouterr().err


def test_folds_fuse_what_they_found(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run.load("folds")
    examples = run.opened("new")
    fused, _ = run.predict_tensor(examples)
    single = [fold.predict_tensor(examples)[0] for fold in run.folds]
    assert fused.shape[1] == single[0].shape[1]
    assert float(fused[..., 5].max()) <= max(float(each[..., 5].max()) for each in single) + 1e-6
    assert "map-50" in json.loads(said(capsys, "evaluate", "folds", "new", "--json"))["metrics"]
    out_of_fold = json.loads(said(capsys, "evaluate", "folds", "--json"))
    assert out_of_fold["examples"] == 16
    written = json.loads((here / "folds" / "metrics.json").read_text())
    assert out_of_fold["metrics"]["map-50"] == pytest.approx(written["out_of_fold"]["map-50"])


def test_the_report_shows_objects_and_without_examples_no_picture(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for run in ("run", "folds"):
        page = (here / run / "report.html").read_text()
        for title in ("What it finds", "The truth, and what was found", "What kind of mistakes"):
            assert title in page, (run, title)
        assert "Left out, as the files" not in page
    said(capsys, "report", "run", "--no-examples", "--out", "closed.html")
    closed = Path("closed.html").read_text()
    assert "What it finds" in closed
    assert "The truth, and what was found" not in closed
    assert "data:image" not in closed
