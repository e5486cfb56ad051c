"""1×4b, 2×2b, 4×b and 4 accumulations of b are the same training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from sonde import fit
from sonde.recipe import Recipe
from sonde.run import Run
from sonde.training.checkpoints import Checkpoints

TABLE = {"name": "mlp", "config": {"width": 16}}


def points(folder: Path, rows: int) -> Path:
    draw = np.random.default_rng(1)
    x = draw.normal(size=(rows, 3))
    path = folder / "points.csv"
    path.write_text("a,b,c,y\n" + "".join(f"{r[0]:.6f},{r[1]:.6f},{r[2]:.6f},{'yes' if r.sum() > 0 else 'no'}\n" for r in x))
    return path


def weights(run: Run) -> dict[str, torch.Tensor]:
    names = Checkpoints(run.path).pointers()["last"]
    return load_file(run.path / "checkpoints" / names[0] / "weights.safetensors")


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a if a[name].is_floating_point())


def trained(recipe: Recipe, folder: Path, *, processes: int = 1, accumulate: int = 1) -> dict[str, torch.Tensor]:
    changed = recipe.replace(training={"processes": processes, "accumulate": accumulate})
    return weights(fit.train(changed, out=folder / f"{processes}-{accumulate}"))


def test_table_in_float32_after_ten_steps(tmp_path: Path) -> None:
    # 229 rows, 160 of them for training: ten steps of 16
    path = points(tmp_path, 229)
    recipe = Recipe().replace(
        data={"path": str(path), "target": ("y",)},
        model=TABLE,
        optim={"name": "momentum", "lr": 0.1},
        training={"epochs": 1, "batch_size": 16, "compile": False},
    )
    one = trained(recipe, tmp_path)
    assert distance(one, trained(recipe, tmp_path, accumulate=4)) <= 1e-6
    assert distance(one, trained(recipe, tmp_path, processes=2)) <= 1e-6
    assert distance(one, trained(recipe, tmp_path, processes=4)) <= 1e-6


def test_table_in_float64_after_an_epoch_with_a_short_last_batch(tmp_path: Path) -> None:
    # the last batch has fewer examples than there are processes
    path = points(tmp_path, 231)
    recipe = Recipe().replace(
        data={"path": str(path), "target": ("y",)},
        model=TABLE,
        optim={"name": "adam", "lr": 0.01},
        training={"epochs": 1, "batch_size": 16, "compile": False, "precision": "float64"},
    )
    one = trained(recipe, tmp_path)
    assert distance(one, trained(recipe, tmp_path, accumulate=4)) <= 1e-10
    assert distance(one, trained(recipe, tmp_path, processes=4)) <= 1e-10


@pytest.mark.parametrize(
    ("model", "precision", "tolerance"),
    [
        ({"name": "mlp", "config": {"width": 16, "batch_norm": True}}, "float32", 1e-6),
        # Twenty layers in float32 turn the last bit of a sum into 1e-4 within five steps, whatever the process count.
        ({"name": "resnet20"}, "float64", 1e-10),
    ],
)
def test_batch_norm_over_processes(tmp_path: Path, model: dict[str, object], precision: str, tolerance: float) -> None:
    recipe = Recipe().replace(
        data={"path": "digits", "examples": 80},
        model=model,
        optim={"name": "momentum", "lr": 0.01},
        training={"epochs": 1, "batch_size": 16, "compile": False, "precision": precision},
    )
    assert distance(trained(recipe, tmp_path), trained(recipe, tmp_path, processes=2)) <= tolerance


def annotated(folder: Path, pictures: int) -> Path:
    """Pictures of noise with two rectangles each, as COCO."""
    draw, table = np.random.default_rng(2), {"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]}
    for number in range(1, pictures + 1):
        Image.fromarray(draw.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / f"{number}.png")
        table["images"].append({"id": number, "file_name": f"{number}.png", "width": 64, "height": 64})
        for kind in (1, 2):
            left, top, wide, high = (int(value) for value in (*draw.integers(0, 30, 2), *draw.integers(15, 30, 2)))
            corners = [left, top, left + wide, top, left + wide, top + high, left, top + high]
            place = {"id": 2 * number + kind, "image_id": number, "category_id": kind, "bbox": [left, top, wide, high]}
            table["annotations"].append(place | {"area": wide * high, "iscrowd": 0, "segmentation": [corners]})
    (folder / "instances.json").write_text(json.dumps(table))
    return folder


def test_two_stage_detector_draws_by_picture(tmp_path: Path) -> None:
    """Which regions a picture is learned from does not depend on the process or the piece that it falls in."""
    (tmp_path / "data").mkdir()
    small = {"blocks": [1, 1, 1, 1], "bottleneck": False, "width": 8, "pyramid": 16, "dense": 32, "mask": 8, "regions": 16}
    recipe = Recipe().replace(
        data={"path": str(annotated(tmp_path / "data", 12)), "size": 64, "augment": ()},
        model={"name": "mask-rcnn", "config": small | {"before": [50, 50], "after": [30, 20]}},
        optim={"name": "momentum", "lr": 0.001},
        training={"epochs": 1, "batch_size": 4, "compile": False, "precision": "float64"},
    )
    one = trained(recipe, tmp_path)
    assert distance(one, trained(recipe, tmp_path, processes=2)) <= 1e-10
    assert distance(one, trained(recipe, tmp_path, accumulate=4)) <= 1e-10
