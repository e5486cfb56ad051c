"""Exported segmenters and detectors: the planes and boxes that the run itself gives, without PyTorch."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from export.test_numpy import alone, differences
from models.tiny import tiny
from sonde import detections, models
from sonde.cli.main import main
from sonde.errors import RunError
from sonde.export.numpy_runtime import boxes, segmenter
from sonde.export.numpy_runtime.detector import COLUMNS, Detector
from sonde.export.numpy_runtime.model import load
from sonde.export.numpy_runtime.segmenter import Segmenter
from sonde.export.scenes import ScoredPlaces, answer, compare_scenes
from sonde.nn.prepared import Prepared
from sonde.ops.candidates import best_boxes
from sonde.ops.fusion import fuse
from sonde.ops.sliding_window import sliding_window
from sonde.ops.sliding_window import starts as run_starts
from sonde.run import Run
from sonde.segments import Looking, segments

BODY = ["--set", "model.blocks=[1,1,1,1]", "--set", "model.width=8"]
SURELY = ["--set", "model.score=0.002"]
LEARNT = ["--lr", "0.02", "--epochs", "8", "--set", "task.class_weights=balanced", "--set", "model.dropout=0.0"]
SEGMENTERS = {
    "u-net": ["--model", "u-net-small", "--set", "model.widths=[8,16]"],
    "fcn": ["--model", "fcn8", "--set", "model.scale=0.0625", "--set", "model.dense=64", "--set", "model.batch_norm=true"],
    "deeplab": ["--model", "deeplab-v3-small", *BODY, "--set", "model.pyramid_width=8"],
}
DETECTORS = {
    "ssd": ["--model", "ssd-small", *BODY, *SURELY, "--set", "model.extras=[16]"],
    "yolo": ["--model", "yolo-small", *BODY, *SURELY, "--set", "model.pyramid=16", "--set", "model.towers=1"],
    "yolo-v1": ["--model", "yolo-v1-small", *BODY, "--set", "model.score=0.0", "--set", "model.neck=16", "--set", "model.dense=32"],
}
# So few of the pixels of a picture may have another class, where two are as likely to the last digits.
FEW = 1e-3


def street(folder: Path, draw: np.random.Generator) -> None:
    """Bright boxes on dark ground, with masks."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(10):
        top, left = draw.integers(0, 24, 2)
        mask = np.zeros((48, 64), dtype=np.uint8)
        mask[top : top + 24, left : left + 24] = 1
        Image.fromarray((draw.integers(0, 60, (48, 64, 3)) + 150 * mask[..., None]).astype(np.uint8)).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    (folder / "classes.txt").write_text("ground\nbox\n")


def cells(folder: Path, draw: np.random.Generator) -> None:
    """Red and blue squares on noise, with their boxes."""
    folder.mkdir()
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for number in range(10):
        field = draw.integers(0, 60, (48, 64, 3), np.uint8)
        for colour, name in ((0, "red"), (2, "blue")):
            left, top = draw.integers(0, 44), draw.integers(0, 28)
            field[top : top + 20, left : left + 20, colour] = 220
            rows.append(f"{number}.png,64,48,{name},{left},{top},{left + 20},{top + 20}")
        Image.fromarray(field).save(folder / f"{number}.png")
    (folder / "boxes.csv").write_text("\n".join(rows) + "\n")


def unseen(folder: Path, draw: np.random.Generator) -> None:
    """Pictures of other sizes than those learnt from: one held upright, one grey, one transparent, one much larger, one tiny."""
    folder.mkdir()

    def picture(height: int, width: int) -> np.ndarray:
        blocks = np.kron(draw.integers(0, 2, (-(-height // 20), -(-width // 20), 3)), np.ones((20, 20, 1)))[:height, :width]
        return (draw.integers(0, 60, (height, width, 3)) + 150 * blocks).astype(np.uint8)

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(300, 500)).save(folder / "a-turned.jpg", exif=exif)
    Image.fromarray(picture(40, 70)[:, :, 0]).save(folder / "b-grey.png")
    Image.fromarray(np.dstack([picture(50, 50), np.full((50, 50), 200, np.uint8)])).save(folder / "c-clear.png")
    Image.fromarray(picture(130, 210)).save(folder / "d-large.png")
    Image.fromarray(picture(3, 5)).save(folder / "e-tiny.png")
    Image.fromarray(picture(48, 64)).save(folder / "f-same.png")


@pytest.fixture(scope="module", autouse=True)
def unchecked() -> Iterator[None]:
    """Checking shapes that broadcast compares the batch with numbers, and the graph would be one for so many pictures alone."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with drawn data, a short run of each form, and their exports, made by the commands."""
    place, draw = tmp_path_factory.mktemp("places"), np.random.default_rng(0)
    street(place / "street", draw)
    cells(place / "cells", draw)
    unseen(place / "new", draw)
    np.save(place / "stills.npy", np.stack([np.asarray(Image.open(place / "street" / "images" / f"{number}.png")) for number in range(3)]))
    runs = {name: ["street", *words, *LEARNT] for name, words in SEGMENTERS.items()}
    runs |= {name: ["cells", *words, "--size", "64", "--lr", "0.01", "--epochs", "2"] for name, words in DETECTORS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for name, words in runs.items():
            assert main(["train", *words, "--batch-size", "4", "--no-compile", "--quiet", "--out", f"runs/{name}"]) == 0
            assert main(["export", f"runs/{name}", "--to", "numpy", "--out", f"exported/{name}"]) == 0
    return place


@pytest.mark.parametrize("name", SEGMENTERS)
def test_planes_are_the_runs_own(name: str, here: Path) -> None:
    run, exported = Run.load(here / "runs" / name), load(here / "exported" / name)
    assert isinstance(exported, Segmenter)
    counted = np.zeros(2)
    examples = run.opened(str(here / "new"))
    for ours, (called, pixels, plane) in zip(run.planes(examples), exported.planes(here / "new"), strict=True):
        assert (ours.name, ours.plane.shape, plane.dtype) == (called, plane.shape, np.uint8)
        assert np.array_equal(ours.pixels, pixels)
        assert (ours.plane != plane).mean() <= FEW
        assert (ours.windows > 1) == (called in ("new/a-turned.jpg", "new/d-large.png"))
        counted += np.bincount(plane.ravel(), minlength=2)
    assert counted.min() > 0.02 * counted.sum()
    one = exported.plane(here / "new" / "b-grey.png")
    assert np.array_equal(one, exported.plane(np.asarray(Image.open(here / "new" / "b-grey.png"))))


def test_shares_are_the_runs_own(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    run, exported = Run.load("runs/u-net"), load("exported/u-net")
    for source in ("new", ["new/a-turned.jpg", "new/f-same.png"], "new/e-tiny.png", np.load("stills.npy"), "stills.npy"):
        ours, theirs = run.predict(source), exported.predict(source)
        assert list(theirs) == ours.columns == ["name", "prediction", "share:ground", "share:box"]
        assert theirs["name"] == ours["name"].to_list()
        assert theirs["prediction"] == ours["prediction"].to_list()
        np.testing.assert_allclose(theirs["share:box"], ours["share:box"], atol=FEW)
    assert isinstance(exported, Segmenter)
    exported.windows = False
    (whole,) = run.planes(run.opened("new/d-large.png"), Looking(windows=False))
    assert (exported.plane("new/d-large.png") != whole.plane).mean() <= FEW


def test_segments_alone_and_writes_planes(here: Path, tmp_path: Path) -> None:
    folder = here / "exported" / "u-net"
    files = [str(here / "new" / "d-large.png"), str(here / "street" / "images" / "3.png"), str(here / "street" / "masks" / "3.png")]
    done = alone(folder, *files, "--planes", str(tmp_path / "planes"), "--overlap", "0.5", cwd=here)
    assert done.returncode == 0, done.stderr
    table = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["name"] for row in table] == files
    assert sorted(path.name for path in (tmp_path / "planes").iterdir()) == ["3-2.png", "3.png", "d-large.png"]
    assert main(["predict", str(here / "runs" / "u-net"), *files, "--pictures", str(tmp_path / "drawn"), "--overlap", "0.5", "--format", "csv"]) == 0
    for name, row in zip(("d-large", "3", "3-2"), table, strict=True):
        with Image.open(tmp_path / "planes" / f"{name}.png") as ours, Image.open(tmp_path / "drawn" / f"{name}.png") as drawn:
            assert ours.getpalette() == drawn.getpalette()
            assert (np.asarray(ours) != np.asarray(drawn)).mean() <= FEW
            assert float(row["share:box"]) == pytest.approx(float(np.asarray(ours).mean()))
    whole = alone(folder, files[0], "--no-windows", cwd=here)
    assert whole.stdout.splitlines()[1] != done.stdout.splitlines()[1]


def test_arrays_of_the_learnt_size_need_no_pillow(here: Path) -> None:
    for name in ("u-net", "ssd"):
        folder = here / "exported" / name
        plain = alone(folder, "stills.npy", cwd=here, without='{"PIL"}')
        assert plain.returncode == 0, plain.stderr
        assert plain.stdout == alone(folder, "stills.npy", cwd=here).stdout
    larger = np.zeros((1, 90, 64), dtype=np.uint8)
    np.save(here / "larger.npy", larger)
    refused = alone(here / "exported" / "ssd", "larger.npy", cwd=here, without='{"PIL"}')
    assert refused.returncode == 2
    assert "larger[0]: the picture has 64×90 pixels, and the model sees it as " in refused.stderr
    assert "install Pillow" in refused.stderr
    refused = alone(here / "exported" / "u-net", "stills.npy", "--planes", "out", cwd=here, without='{"PIL"}')
    assert "out: planes are written by Pillow, which is not installed" in refused.stderr


def rows_of(columns: Any, picture: str) -> np.ndarray:
    """(object, 6): score, the corners, and whether the label is red, of one picture."""
    table = zip(*(columns[name] for name in COLUMNS), strict=True)
    found = [(*row[2:], row[1] == "red") for row in table if row[0] == picture and row[1] is not None]
    return np.array(found, dtype=np.float64).reshape(-1, 6)


def assert_alike(ours: np.ndarray, theirs: np.ndarray) -> None:
    """The same objects; where scores are equal to the last digits their order, and which of two overlapping boxes stays, is open."""
    assert abs(len(ours) - len(theirs)) <= 0.02 * len(ours)
    if not len(ours):
        return
    apart = np.abs(ours[:, None] - theirs[None]) / np.array([1e-5, 0.01, 0.01, 0.01, 0.01, 0.5])
    assert (apart.max(axis=2).min(axis=1) < 1).mean() >= 0.98
    assert (apart.max(axis=2).min(axis=0) < 1).mean() >= 0.98


@pytest.mark.parametrize("name", DETECTORS)
def test_objects_are_the_runs_own(name: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    run, exported = Run.load(f"runs/{name}"), load(f"exported/{name}")
    assert isinstance(exported, Detector)
    ours, theirs = run.predict("new"), exported.predict("new")
    assert list(theirs) == ours.columns == list(COLUMNS)
    pictures = ours["image"].unique(maintain_order=True).to_list()
    assert list(dict.fromkeys(theirs["image"])) == pictures
    assert len(pictures) == 6
    counted = 0
    for picture in pictures:
        mine = rows_of(ours, picture)
        assert (np.diff(mine[:, 0]) <= 0).all()
        assert_alike(mine, rows_of(theirs, picture))
        counted += len(mine)
    assert counted > 20


def test_detects_alone_as_the_command_does(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    score = str(sorted(load("exported/yolo").predict("cells/3.png")["score"])[-5] - 1e-4)
    files = ["cells/3.png", "cells/4.png", "new/e-tiny.png"]
    done = alone(here / "exported" / "yolo", *files, "--score", score, cwd=here)
    assert done.returncode == 0, done.stderr
    capsys.readouterr()
    assert main(["predict", "runs/yolo", *files, "--score", score, "--format", "csv"]) == 0
    ours, theirs = (list(csv.reader(io.StringIO(text))) for text in (capsys.readouterr().out, done.stdout))
    assert theirs[0] == ours[0] == list(COLUMNS)
    assert [row[:2] for row in theirs] == [row[:2] for row in ours]
    assert len(ours) > 5
    for mine, other in zip(ours[1:], theirs[1:], strict=True):
        assert [text == "" for text in mine] == [text == "" for text in other]
        assert [float(text or 0) for text in other[2:]] == pytest.approx([float(text or 0) for text in mine[2:]], abs=0.011)
    none = alone(here / "exported" / "yolo", "cells/3.png", "--score", "1", cwd=here)
    assert none.stdout == "image,label,score,left,top,right,bottom\ncells/3.png,,,,,,\n"


def test_folds_of_a_segmenter_average_probabilities(here: Path) -> None:
    """Two segmenters as if they were folds."""
    names = ("u-net", "deeplab")
    for number, name in enumerate(names, start=1):
        shutil.copytree(here / "exported" / name, here / "exported" / "folds" / "folds" / str(number))
    exported = load(here / "exported" / "folds")
    assert isinstance(exported, Segmenter)
    runs = [Run.load(here / "runs" / name) for name in names]
    examples = runs[0].opened(str(here / "new"))
    found = segments([run.model for run in runs], [run.preparation for run in runs], examples, device=torch.device("cpu"))
    each = [load(here / "exported" / name) for name in names]
    for ours, (_, pixels, plane) in zip(found, exported.planes(here / "new"), strict=True):
        assert (ours.plane != plane).mean() <= FEW
        if ours.name == "new/d-large.png":
            assert all(isinstance(one, Segmenter) and (one.plane(pixels) != plane).any() for one in each)


def test_folds_of_a_detector_are_fused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two detectors as if they were folds: what the run's own fusion makes of their rows."""
    monkeypatch.chdir(here)
    runs, exported = [Run.load(f"runs/{name}") for name in ("yolo", "ssd")], [load(f"exported/{name}") for name in ("yolo", "ssd")]
    examples = runs[0].opened("new")
    pieces, scales = [run.predict_tensor(examples)[0] for run in runs], [detections.scales(run.preparation, examples) for run in runs]
    together = detections.in_original(detections.fused(pieces, scales), scales[0], examples)
    files = [f"new/{path.name}" for path in sorted(Path("new").iterdir())]
    classes = runs[0].target.values["classes"]
    ours = detections.rows(together, examples, files, classes)
    theirs = Detector([model for each in exported if isinstance(each, Detector) for model in each.models]).predict(files)
    for picture in files:
        assert_alike(rows_of(ours, picture), rows_of(theirs, picture))


def crowd(draw: np.random.Generator, count: int) -> np.ndarray:
    """Boxes of which many overlap, some without area, some not finite."""
    corner, side = draw.random((count, 2)) * 60, draw.random((count, 2)) * 30
    found = np.concatenate([corner, corner + side], axis=1).astype(np.float32)
    found[::17, 2:] = found[::17, :2]
    found[5::31, 3], found[6::31, 0] = np.inf, np.nan
    return found


def test_suppression_is_the_runs_own() -> None:
    draw = np.random.default_rng(0)
    for most, floor, candidates, classes in [(20, 0.0, 1000, 3), (200, 0.3, 300, 2), (5, 0.9, 50, 1), (100, 1.0, 10, 4)]:
        places, scores = crowd(draw, 400), draw.random((400, classes), dtype=np.float32)
        limits = {"iou": 0.4, "most": most, "floor": floor, "candidates": candidates}
        ours = best_boxes(torch.from_numpy(places)[None], torch.from_numpy(scores)[None], **limits)[0].numpy()  # type: ignore[arg-type]
        theirs = boxes.best_boxes(places, scores, **limits)  # type: ignore[arg-type]
        assert len(theirs) == (ours[:, 5] > 0).sum()
        np.testing.assert_array_equal(theirs, ours[: len(theirs)])


def test_of_equal_scores_the_earlier_place_stays() -> None:
    places = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [40, 40, 50, 50]], dtype=np.float32)
    found = boxes.best_boxes(places, np.full((3, 1), 0.5, dtype=np.float32), iou=0.5, most=9, floor=0.1, candidates=9)
    assert found[:, 0].tolist() == [0, 40]


def test_fusion_is_the_runs_own() -> None:
    draw, found = np.random.default_rng(1), []
    for _ in range(3):
        corner = np.repeat(draw.random((20, 2)) * 40, 3, axis=0) + draw.random((60, 2)) * 3
        rows = np.column_stack([corner, corner + 12 + draw.random((60, 2)), draw.integers(0, 2, 60), draw.random(60)]).astype(np.float32)
        rows[55:] = 0
        found.append(rows)
    ours = fuse([torch.from_numpy(rows)[None] for rows in found], threshold=0.55, most=70)[0].numpy()
    theirs = boxes.fused(found, threshold=0.55, most=70)
    assert 30 < len(theirs) <= 70
    np.testing.assert_allclose(theirs, ours[: len(theirs)], rtol=1e-6)


@pytest.mark.parametrize(("size", "overlap"), [((9, 8), 0.25), ((8, 21), 0.0), ((30, 25), 0.5)])
def test_windows_are_the_runs_own(size: tuple[int, int], overlap: float) -> None:
    picture, window = np.random.default_rng(0).random((2, *size), dtype=np.float32), (8, 8)
    assert segmenter.starts(size[1], 8, overlap) == run_starts(size[1], 8, overlap)
    slope = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    ours = sliding_window(lambda x: x * torch.from_numpy(slope), torch.from_numpy(picture), window=window, overlap=overlap).numpy()
    np.testing.assert_allclose(segmenter.through_windows(lambda x: x * slope, picture, window, overlap), ours, rtol=1e-6)


def test_folds_with_one_mind_and_ties_take_the_first_class() -> None:
    maps = np.full((3, 4, 4), 1 / 3, dtype=np.float32)
    assert not segmenter.likeliest([maps], (9, 7)).any()
    maps[2] += 0.1
    assert (segmenter.likeliest([maps, maps], (9, 7)) == 2).all()


# Forms that no run above has: the paper's ones, and those with published weights.
FORMS = ["u-net", "fcn32"]
PLACES: dict[str, dict[str, Any]] = {
    "ssd300": {"scale": 1 / 16, "scales": (0.15, 0.4, 0.8), "ratios": ((2.0,), (2.0, 3.0)), "size": 96},
}


@pytest.mark.parametrize("name", [*FORMS, *PLACES])
def test_other_forms_are_the_same_graph(name: str) -> None:
    torch.manual_seed(0)
    network = models.build(name, tiny(name) if name in FORMS else {"channels": 2, "classes": 3} | PLACES[name])
    model = ScoredPlaces(Several(), network) if name in PLACES else network  # type: ignore[arg-type]
    with torch.no_grad():
        for score in (getattr(network, f"score{block}", None) for block in (3, 4, 5)):
            if score is not None:
                nn.init.normal_(score.weight)
    assert differences(model, (torch.randn(2, 2, 64, 96),), (torch.randn(3, 2, 64, 96),)) < 1e-5


class Several(nn.Module):
    """Inputs as they are."""

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return inputs


def test_detectors_of_regions_are_refused_by_name() -> None:
    described = {"model": {"name": "faster-rcnn-small"}}
    run = Run("runs/a")
    values = {"kind": "boxes", "classes": ["a"]}
    vars(run).update(_prepared=(None, SimpleNamespace(values=values)), model=Prepared(nn.Identity(), nn.Identity()), description=described)
    with pytest.raises(RunError, match=r"runs/a: faster-rcnn-small chooses regions half-way (.|\n)*ssd-small, yolo-small, yolo-v1-small"):
        answer(run)
    for name in models.MODELS:
        if models.fits(name, "detection"):
            assert hasattr(getattr(models.module(name), type_name(name)), "scored") == ("rcnn" not in name)


def type_name(name: str) -> str:
    """The class that holds a detector of this name."""
    return str(models.module(name).build.__annotations__["return"])


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("u-net", ["new/d-large.png", "--overlap", "1"], "an overlap of 1 is no share of a window from 0 to 0.9"),
        ("u-net", ["new/d-large.png", "--score", "0.5"], "--score: this model finds no objects"),
        ("yolo", ["cells/3.png", "--planes", "out"], "--planes: this model does not tell the classes of pixels"),
        ("yolo", ["cells/3.png", "--no-windows"], "--no-windows: this model does not tell the classes of pixels"),
        ("yolo", ["--text", "a"], "--text: this model writes no text"),
        ("yolo", ["cells/boxes.csv"], "boxes.csv: the picture cannot be read"),
        ("u-net", ["new/f-same.png", "--planes", "stills.npy"], "stills.npy: this folder cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said(name: str, words: list[str], said: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    from sonde.export.numpy_runtime.command import main as predict

    monkeypatch.chdir(here)
    assert predict(words, Path("exported") / name) == 2
    assert said in capsys.readouterr().err


def test_another_canvas_or_answer_is_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sonde.export.numpy_runtime import operations, scenes

    monkeypatch.chdir(here)
    run, exported = Run.load("runs/yolo"), load("exported/yolo")
    assert compare_scenes(exported, run)[1:] == (6, "examples of the training part")
    with monkeypatch.context() as patch, pytest.raises(RunError, match="makes another canvas of a training picture than the run does"):
        patch.setattr(scenes, "ground", lambda fitted: np.zeros(3, dtype=np.uint8))
        compare_scenes(exported, run)
    with monkeypatch.context() as patch, pytest.raises(RunError, match=r"the exported model's outputs differ from the run's by .*, more than 1e-05"):
        patch.setitem(operations.OPERATIONS, "sigmoid.default", lambda x: x)
        compare_scenes(exported, run)


def test_drawn_canvases_where_the_data_have_gone(here: Path, tmp_path: Path) -> None:
    shutil.copytree(here / "runs" / "fcn", tmp_path / "run")
    recipe = tmp_path / "run" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("street", "gone"))
    difference, checked, said = compare_scenes(load(here / "exported" / "fcn"), Run.load(tmp_path / "run"))
    assert (checked, said) == (8, "drawn inputs, as the run's data are not at hand")
    assert 0 < difference < 1e-5
