"""Painting: the picture alone changes, losses fall, scales go up, and what cannot be painted is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sonde import fit, models
from sonde.cli.main import main
from sonde.errors import DataError, RecipeError, UsageError
from sonde.models.style_transfer import Layers, StyleTransfer, Weighing
from sonde.recipe import Recipe
from sonde.run import Run
from sonde.style import Manner, paint, scaled, scales


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A disc on a slope of grey, and stripes in colour."""
    folder = tmp_path_factory.mktemp("pictures")
    y, x = np.mgrid[:48, :64]
    content = np.where((y - 24) ** 2 + (x - 32) ** 2 < 200, 230, 2 * x).astype(np.uint8)
    stripes = np.stack([128 + 100 * np.sin(x), 60 + 0 * x, 128 + 100 * np.cos(y / 2)], 2).astype(np.uint8)
    Image.fromarray(content).save(folder / "content.png")
    Image.fromarray(stripes).save(folder / "style.jpg")
    return folder / "content.png", folder / "style.jpg"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("style-run")
    draw = np.random.default_rng(0)
    for name, colour in (("red", (200, 30, 30)), ("green", (30, 200, 30))):
        (folder / "data" / name).mkdir(parents=True)
        for place in range(8):
            noise = np.clip(np.array(colour) + draw.normal(0, 30, (32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(noise).save(folder / "data" / name / f"{place}.png")
    model = {"name": "vgg11-bn", "config": {"scale": 0.0625, "dense": 256}}
    recipe = Recipe().replace(data={"path": str(folder / "data"), "size": 32}, model=model, training={"epochs": 1, "compile": False})
    return fit.train(recipe, out=folder / "run")


def test_layers_of_a_network() -> None:
    network = models.build("vgg11", {"channels": 3, "size": 64, "classes": 2, "scale": 0.0625, "dense": 256})
    layers = Layers.of(network)
    assert layers.style == ("features.0", "features.3", "features.6", "features.11", "features.16")
    assert layers.content == ("features.13",)
    with pytest.raises(RecipeError, match="no convolutions that style could be read from"):
        Layers.of(models.build("mlp", {"numbers": 4, "outputs": 2}))


def test_the_picture_is_the_only_parameter(run: Run) -> None:
    content, style = torch.rand(1, 3, 32, 40) * 255, torch.rand(1, 3, 32, 32) * 255
    layers = Layers.of(run.model.network)
    transfer = StyleTransfer(run.model.normalise, run.model.network, content=content, style=style, layers=layers, weighing=Weighing(1.0, 2.0, 3.0))
    assert [name for name, _ in transfer.named_parameters()] == ["picture"]
    losses = transfer()
    assert float(losses["content"].detach()) == 0
    assert float(losses["style"].detach()) == pytest.approx(2)  # in shares of what it is for the content
    sum(losses.values()).backward()
    assert transfer.picture.grad is not None
    assert all(parameter.grad is None for parameter in run.model.network.parameters())


def test_painting(pictures: tuple[Path, Path], run: Run) -> None:
    seen: list[dict[str, object]] = []
    manner = Manner(size=64, steps=40, every=20)
    done = paint(*pictures, manner=manner, weights=str(run.path), report=seen.append)
    assert done.picture.shape == (48, 64, 3)
    assert done.after["total"] < done.before["total"] / 2
    assert [event["step"] for event in seen] == [0, 20, 40]
    assert np.array_equal(paint(*pictures, manner=manner, weights=str(run.path)).picture, done.picture)


def test_scales_go_up(pictures: tuple[Path, Path], run: Run) -> None:
    assert scales(200) == [200]
    assert scales(1024) == [256, 512, 1024]
    assert scales(700) == [175, 350, 700]
    seen: list[dict[str, object]] = []
    done = paint(*pictures, manner=Manner(size=300, steps=2), weights=str(run.path), report=seen.append)
    assert done.picture.shape == (225, 300, 3)
    assert {event["size"] for event in seen} == {150, 300}


def test_noise_is_another_start(pictures: tuple[Path, Path], run: Run) -> None:
    done = paint(*pictures, manner=Manner(size=64, steps=2, start="noise"), weights=str(run.path))
    assert done.before["content"] > 0


def test_what_cannot_be_painted(pictures: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    with pytest.raises(UsageError, match="a picture of 16 pixels is too small"):
        paint(*pictures, manner=Manner(size=16), weights=str(run.path))
    with pytest.raises(DataError, match=r"at 256 pixels of its longer side this picture of 500×4 is 2 pixels thin"):
        scaled(np.zeros((4, 500, 3), dtype=np.uint8), 256, "strip.png")
    (tmp_path / "no.png").write_text("no")
    with pytest.raises(DataError, match=r"no\.png"):
        paint(tmp_path / "no.png", pictures[1], weights=str(run.path))
    with pytest.raises(RecipeError, match="there are no such weights"):
        paint(*pictures, weights="nowhere")


def test_the_command(pictures: tuple[Path, Path], tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["style", *map(str, pictures), "--size", "48", "--weights", str(run.path)]
    out, progress = tmp_path / "deep" / "p.png", tmp_path / "progress"
    assert main([*asked, "--steps", "3", "--out", str(out), "--progress", str(progress), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["width"], found["height"], found["steps"]) == (48, 36, 3)
    with Image.open(out) as painting:
        assert painting.size == (48, 36)
    assert sorted(path.name for path in progress.iterdir()) == ["48-00000.png", "48-00003.png"]
    for flags, said in (
        (["--out", "p.txt"], "a picture is not written to .txt"),
        (["--steps", "0"], "0 makes no step"),
        (["--style-weight", "-1"], "a loss cannot count less than nothing"),
    ):
        assert main([*asked, *flags]) == 2
        assert said in capsys.readouterr().err


def test_without_weights_and_without_data(pictures: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-10 cannot be had: the network's weights are drawn, and it is said."""
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path))
    monkeypatch.delenv("SONDE_DATA", raising=False)
    monkeypatch.setattr("sonde.data.sets.obtained", _not_to_be_had)
    done = paint(*pictures, manner=Manner(size=48, steps=2))
    assert done.network == "a narrow VGG with random weights, as CIFAR-10 could not be had"


def _not_to_be_had(name: str, report: object = None) -> Path:
    from sonde.errors import Problem

    raise DataError(Problem("error", name, "it cannot be had", "look for a network"))
