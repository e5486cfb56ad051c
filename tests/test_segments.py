"""Planes in a picture's own pixels: scaled back, through windows where it is large, averaged over folds; and a whole run by the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from sonde.data.contents import Examples
from sonde.data.prepare.scenes import ScenePreparation
from sonde.errors import RecipeError, UsageError
from sonde.segments import Looking, Segments, answers, segments, table

PREPARATION = ScenePreparation(3, 64, (64, 64), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), usual_scale=0.5)
CPU = torch.device("cpu")


class Held:
    """Pictures in memory."""

    def __init__(self, *pictures: np.ndarray) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def read(self, index: int, at_least: int = 0) -> np.ndarray:
        return self.pictures[index]

    def name(self, index: int) -> str:
        return f"{index}.png"


class Brightness(nn.Module):
    """Class 1 where the first channel is over 127; `seen` are the canvases it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, canvases: Tensor) -> Tensor:
        self.seen.append(canvases)
        bright = (canvases[:, 0].float() - 127.5) / 20
        return torch.stack([-bright, bright], 1)


def picture(height: int, width: int) -> np.ndarray:
    """Left half dark, right half bright."""
    found = np.zeros((height, width, 3), dtype=np.uint8)
    found[:, width // 2 :] = 255
    return found


def look(*pictures: np.ndarray, looking: Looking | None = None, model: nn.Module | None = None) -> list[Segments]:
    held = Held(*pictures)
    examples = Examples(pl.DataFrame({"image": [held.name(row) for row in range(len(held))]}), held)
    return list(segments([model or Brightness()], [PREPARATION], examples, device=CPU, looking=looking))


@pytest.mark.parametrize("size", [(128, 96), (96, 128), (64, 64), (31, 17), (1, 2), (128, 128)])
def test_planes_have_the_size_of_their_picture(size: tuple[int, int]) -> None:
    (found,) = look(picture(*size))
    assert found.plane.shape == size
    assert found.plane.dtype == np.uint8
    assert found.windows == 1
    wrong = (found.plane != (found.pixels[:, :, 0] > 127)).mean()
    assert wrong <= 2 / size[1]


def test_a_large_picture_is_seen_through_windows_at_the_usual_scale() -> None:
    model, large = Brightness(), picture(300, 400)
    (found,) = look(large, model=model)
    assert found.windows > 1
    assert sum(len(canvases) for canvases in model.seen) == found.windows
    assert all(canvases.shape[1:] == (3, 64, 64) and len(canvases) <= 4 for canvases in model.seen)
    assert np.array_equal(found.plane, large[:, :, 0] > 127)
    (plain,) = look(large, looking=Looking(windows=False))
    assert plain.windows == 1
    assert (plain.plane != found.plane).mean() < 0.02


def test_a_picture_that_fits_is_seen_as_in_training() -> None:
    model = Brightness()
    small = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    (found,) = look(small, model=model)
    (plain,) = look(small, looking=Looking(windows=False))
    assert np.array_equal(model.seen[0][0].numpy(), PREPARATION.place(small)[0])
    assert np.array_equal(found.plane, plain.plane)


def test_long_pictures_fill_their_short_side_with_the_mean() -> None:
    model = Brightness()
    (found,) = look(picture(40, 800), model=model)
    assert found.plane.shape == (40, 800)
    assert (model.seen[0][:, :, 20:] == 128).all()


@pytest.mark.parametrize("overlap", [-0.1, 0.91, float("nan")])
def test_overlaps_that_make_no_sense_are_refused(overlap: float) -> None:
    with pytest.raises(UsageError, match=r"is no share of a window from 0 to 0\.9\n.*--overlap 0\.25"):
        Looking(overlap=overlap)


def test_folds_are_averaged() -> None:
    sure, unsure = torch.tensor([0.9, 0.1]).view(2, 1, 1).expand(2, 4, 4), torch.tensor([0.4, 0.6]).view(2, 1, 1).expand(2, 8, 8)
    assert not answers([sure, unsure], (5, 6)).any()
    assert answers([unsure], (5, 6)).all()


def test_the_table_tells_shares() -> None:
    rows = table(look(picture(10, 40), picture(12, 20)), ("dark", "bright"))
    assert rows.columns == ["name", "prediction", "share:dark", "share:bright"]
    assert rows["name"].to_list() == ["0.png", "1.png"]
    assert (rows["share:dark"] + rows["share:bright"]).to_list() == pytest.approx([1, 1])
    assert table([], ("dark", "bright")).height == 0


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of a bright box on dark ground, with masks: 0 ground, 1 box, 255 a strip that nobody knows."""
    folder = tmp_path_factory.mktemp("street")
    generator = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for number in range(12):
        top, left = generator.integers(0, 24, 2)
        mask = np.zeros((48, 64), dtype=np.uint8)
        mask[top : top + 24, left : left + 24] = 1
        pixels = generator.integers(0, 60, (48, 64, 3)) + 150 * mask[..., None]
        mask[:, 60:] = 255
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def trained(street: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    import sonde

    settings: dict[str, Any] = {"model.widths": [8, 16], "model.halve": False, "task.class_weights": "root", "task.dice": 0.5}
    return sonde.train(
        str(street), model="u-net-small", epochs=8, batch_size=4, lr=0.02, seed=1, settings=settings, out=tmp_path_factory.mktemp("run") / "a"
    )


def test_a_run_measures_and_predicts_masks(trained: Any, street: Path) -> None:
    assert trained.metrics["mean-iou"] > 0.6
    assert {"pixel-accuracy", "loss"} <= set(trained.metrics)
    assert sum(key.startswith("iou:") for key in trained.metrics) == 2
    again = trained.evaluate(str(street))
    assert again["metrics"]["mean-iou"] > 0.6
    rows = trained.predict([str(street / "images" / "3.png"), str(street / "images" / "7.png")])
    assert rows.height == 2
    assert any(column.startswith("share:") for column in rows.columns)
    assert not (trained.path / "predictions.parquet").exists()


def test_the_report_shows_classes_and_examples(trained: Any) -> None:
    page = (trained.path / "report.html").read_text(encoding="utf-8")
    assert "How well each class is outlined" in page
    assert "Truth beside prediction" in page
    assert "left out" not in page.rpartition("<footer")[2]
    from sonde.report.page import write_report

    bare = write_report([trained.path], trained.path / "bare.html", examples=False).read_text(encoding="utf-8")
    assert "Truth beside prediction" not in bare


def test_the_command_writes_pictures(trained: Any, street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sonde.cli.main import main

    classes = trained.target.values["classes"]
    arguments = ["predict", str(trained.path), str(street / "images" / "3.png"), "--pictures", str(tmp_path / "out"), "--blur-background", classes[1]]
    assert main([*arguments, "--json"]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["3-blurred.png", "3-overlay.png", "3.png"]
    with Image.open(tmp_path / "out" / "3.png") as plane:
        assert plane.size == (64, 48)
        assert set(np.unique(np.asarray(plane))) <= {0, 1}
    capsys.readouterr()
    assert main(["predict", str(trained.path), str(street / "images" / "3.png"), "--blur-background", classes[1]]) == 2
    assert "name a folder: --pictures DIR" in capsys.readouterr().err


def test_weights_of_another_architecture_are_refused(trained: Any, street: Path, tmp_path: Path) -> None:
    import sonde

    with pytest.raises(RecipeError, match=r"these weights fit neither the model nor its body(.|\n)*--model u-net-small"):
        sonde.train(str(street), model="deeplab-v3-small", weights=str(trained.path), epochs=1, out=tmp_path / "b")


def test_folds_are_measured_on_what_they_held_out_and_predict_together(street: Path, tmp_path: Path) -> None:
    import sonde

    settings: dict[str, Any] = {"model.widths": [4, 8], "model.halve": False}
    run = sonde.train(str(street), model="u-net-small", folds=2, epochs=1, batch_size=4, lr=0.02, settings=settings, out=tmp_path / "folds")
    assert {"mean-iou", "pixel-accuracy"} <= set(run.metrics_file["out_of_fold"])
    assert 0 <= run.metrics_file["out_of_fold"]["mean-iou"] <= 1
    assert run.predict([str(street / "images" / "3.png"), str(street / "images" / "4.png")]).height == 2
    assert {"mean-iou", "iou:1"} <= set(run.evaluate(str(street))["metrics"])
