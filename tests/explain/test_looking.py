"""What is seen inside image models: filters, stage outputs, Grad-CAM where its answer is known, confusions in pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor, nn

from sonde import fit, models
from sonde.cli.main import main
from sonde.explain import filters, looking, paint, saliency
from sonde.explain.explain import explain
from sonde.recipe import Recipe
from sonde.report.page import write_report
from sonde.run import Run


class ByHand(nn.Module):
    """Two channels that hand the picture's own two channels on, averaged over all places; two classes."""

    stages = {"stem": ("conv",), "head": ("output",)}

    def __init__(self, weight: list[list[float]]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1, bias=False)
        self.output = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(2).view(2, 2, 1, 1))
            self.output.weight.copy_(torch.tensor(weight))

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.output(self.conv(x).mul_(1.0).mean((2, 3)))  # in place, as many networks work
        return scores


def test_grad_cam_where_its_answer_is_known() -> None:
    """∂y_c/∂A_k is w_ck over the number of places everywhere, so the map of class c is max(Σ_k w_ck A_k, 0) over that number."""
    network = ByHand([[1.0, -2.0], [0.5, 3.0]])
    images = torch.zeros(2, 2, 4, 4)
    images[:, 0, 0, 1], images[:, 1, 3, 2], images[:, 1, 0, 1] = 6.0, 2.0, 1.0
    maps = saliency.grad_cam(network.conv, network, images, torch.tensor([0, 1]))
    expected = torch.zeros(2, 4, 4)
    expected[0, 0, 1] = (6.0 - 2.0) / 16  # the other place speaks against class 0 and is cut off
    expected[1, 0, 1], expected[1, 3, 2] = (3.0 + 3.0) / 16, 6.0 / 16
    torch.testing.assert_close(maps, expected)
    found, method, stage = saliency.saliency(network, network, images, torch.tensor([0, 1]))
    assert (method, stage) == ("grad-cam", "stem")
    torch.testing.assert_close(found.amax((1, 2)), torch.ones(2))
    assert not found[0, 3, 2]


def test_a_picture_without_evidence_has_an_empty_map() -> None:
    network = ByHand([[-1.0, -1.0], [0.0, 0.0]])
    found, _, _ = saliency.saliency(network, network, torch.ones(1, 2, 3, 3), torch.tensor([0]))
    assert not found.any()


def test_a_dense_network_is_asked_for_its_gradient() -> None:
    torch.manual_seed(0)
    network = models.build("mlp", {"numbers": 12, "outputs": 2, "width": 64})  # of 4 all may be silent
    images = torch.randn(3, 3, 2, 2)
    found, method, _ = saliency.saliency(network, network, images, torch.tensor([0, 1, 1]))
    assert method == "gradient"
    assert found.shape == (3, 2, 2)
    torch.testing.assert_close(found.amax((1, 2)), torch.ones(3))


def test_what_has_no_gradient_has_no_map() -> None:
    network = models.build("visual-words", {"channels": 1, "size": 16, "classes": 2, "words": 8})
    found, method, _ = saliency.saliency(network, network, torch.randn(2, 1, 16, 16), torch.tensor([0, 1]))
    assert method == "none"
    assert not found.any()


@pytest.mark.parametrize("name", ["lenet", "resnet18", "preresnet110", "resnet20", "airbench94"])
def test_stages_are_looked_into_and_nothing_is_left_behind(name: str) -> None:
    small = {"blocks": (1, 1, 1, 1)} if name == "resnet18" else {"blocks": 1} if "resnet" in name else {}
    small |= {"widths": (8, 8, 8), "views": "mirror-shift"} if name == "airbench94" else {}
    network = models.build(name, {"channels": 1, "size": 32, "classes": 3, **small}).eval()
    images = torch.randn(2, 1, 32, 32)
    before = network(images)
    outputs = saliency.stage_outputs(network, lambda: network(images))
    assert list(outputs) == [stage for stage in network.stages if stage != "head"]  # type: ignore[union-attr, arg-type]
    assert all(len(output) == 2 for output in outputs.values())
    maps, method, stage = saliency.saliency(network, network, images, torch.tensor([0, 2]))
    assert (method, maps.shape) == ("grad-cam", (2, 32, 32))
    assert outputs[stage][0, 0].numel() > 1
    assert torch.equal(network(images), before)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_first_filters_are_the_weights() -> None:
    network = models.build("lenet", {"channels": 1, "size": 28, "classes": 3})
    found = filters.first_layer(network, channels=1, size=28)
    assert found is not None
    assert found.name == "conv1"
    assert torch.equal(found.weight, network.conv1.weight)  # type: ignore[union-attr]
    drawn = filters.pictures(found.weight)
    assert drawn.dtype == torch.uint8 and drawn.shape == found.weight.shape
    back = (drawn.float() / 127.5 - 1) * found.weight.abs().amax((1, 2, 3), keepdim=True)
    torch.testing.assert_close(back, found.weight, rtol=0, atol=float(found.weight.abs().max()) / 200)


def test_rows_of_a_dense_layer_are_pictures_too() -> None:
    network = models.build("softmax-regression", {"numbers": 3 * 4 * 4, "outputs": 5})
    with torch.no_grad():
        next(iter(network.parameters())).normal_()
    found = filters.first_layer(network, channels=3, size=4)
    assert found is not None
    assert found.weight.shape == (5, 3, 4, 4)
    assert filters.first_layer(network, channels=1, size=5) is None


def test_confusions_come_by_their_number_then_by_name() -> None:
    said = [("a", "b")] * 3 + [("b", "a")] * 3 + [("c", "a")] * 5 + [("a", "a")] * 9
    rows = pl.DataFrame({"target": [pair[0] for pair in said], "prediction": [pair[1] for pair in said]})
    assert looking.commonest(rows) == [("c", "a", 5), ("a", "b", 3), ("b", "a", 3)]


def test_surest_right_answers_of_different_classes_and_the_worst_wrong_ones() -> None:
    rows = pl.DataFrame(
        {
            "example": [0, 1, 2, 3, 4],
            "target": ["a", "a", "b", "b", "a"],
            "prediction": ["a", "a", "b", "a", "b"],
            "loss": [0.1, 0.05, 0.2, 3.0, 4.0],
            "probability:a": [0.9, 0.95, 0.2, 0.95, 0.02],
            "probability:b": [0.1, 0.05, 0.8, 0.05, 0.98],
        }
    )
    assert [row["example"] for row in looking.choose(rows)] == [1, 2, 4, 3]


def test_colours_and_sheets() -> None:
    ramp = paint.coloured(np.array([0.0, 0.5, 1.0, 7.0, np.nan])).astype(int)
    assert (np.diff(ramp[:3].sum(1)) > 0).all()
    assert (ramp[3] == ramp[2]).all() and (ramp[4] == ramp[0]).all()
    tiles = np.full((3, 2, 2, 1), 7, dtype=np.uint8)
    image = np.asarray(paint.sheet(tiles, columns=2, factor=3))
    assert image.shape == (13, 13, 4)
    assert (image[0, 0] == [7, 7, 7, 255]).all()
    assert not image[6, :, 3].any() and not image[7:, 7:, 3].any()  # the gap, and the place that is empty


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    digits = load_digits()
    recipe = Recipe().replace(
        model={"name": "resnet20", "config": {"blocks": 1, "width": 4}},
        training={"epochs": 1, "compile": False, "device": "cpu"},
    )
    return fit.train(recipe, data=((digits.images[:600] * 15).astype(np.uint8), digits.target[:600]), out=tmp_path_factory.mktemp("e") / "run")


def read(run: Run) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads((run.path / "figures" / "explain.json").read_text())
    return found


def test_a_run_is_looked_into(run: Run) -> None:
    found = read(run)
    assert found["filters"]["layer"] == "conv1"
    assert found["saliency"]["method"] == "grad-cam"
    assert found["saliency"]["stage"] == "stage3"
    examples = found["saliency"]["examples"]
    assert isinstance(examples, list)
    assert len(examples) == looking.RIGHT + looking.WRONG
    for each in examples:
        assert len(each["maps"]) == 1 + (each["target"] != each["prediction"])
        assert [stage["stage"] for stage in each["activations"]] == ["stem", "stage1", "stage2", "stage3"]
        files = [each["picture"], *(seen["file"] for seen in [*each["maps"], *each["activations"]])]
        for file in files:
            with Image.open(run.path / file) as image:
                image.verify()
    page = write_report([run.path]).read_text()
    assert all(title in page for title in ("Class by class", "Mixed up, in pictures", "Where it looked", "What it looks for first"))


def test_without_examples_only_the_filters_stay(run: Run) -> None:
    explain(run, examples=False)
    try:
        assert "filters" in read(run)
        assert not {"saliency", "pairs", "worst"} & set(read(run))
        figures = run.path / "figures"
        assert not [path for kind in ("saliency", "input", "activation", "pair", "worst") for path in figures.glob(f"{kind}-*")]
    finally:
        explain(run)


def test_the_same_run_gives_the_same_pictures(run: Run) -> None:
    before = {path.name: path.read_bytes() for path in (run.path / "figures").iterdir()}
    explain(Run.load(run.path))
    again = read(run)
    assert again["filters"] == json.loads(before["explain.json"])["filters"]
    assert (run.path / "figures" / "filters.png").read_bytes() == before["filters.png"]
    assert "saliency" not in again  # pictures that were in memory are gone with the process that had them


def test_the_page_of_a_copied_run_does_not_need_the_pictures(run: Run, tmp_path: Path) -> None:
    explain(run)
    for file in (run.path / "figures").glob("*-*.*"):
        file.unlink()
    page = write_report([run.path], tmp_path / "page.html").read_text()
    assert "Where it looked" not in page
    assert "Class by class" in page


@pytest.fixture(scope="module")
def leaves(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of two classes of pictures in files; another picture lies beside it."""
    folder, draw = tmp_path_factory.mktemp("leaves"), np.random.default_rng(0)
    for label, shade in (("elm", 180), ("oak", 40)):
        (folder / "data" / label).mkdir(parents=True)
        for number in range(20):
            Image.fromarray(draw.integers(0, 60, (16, 16, 3), np.uint8) + np.uint8(shade)).save(folder / "data" / label / f"{number}.png")
    Image.fromarray(draw.integers(0, 60, (24, 24, 3), np.uint8) + np.uint8(180)).save(folder / "new.png")
    recipe = Recipe().replace(
        data={"path": str(folder / "data")},
        model={"name": "resnet20", "config": {"blocks": 1, "width": 4}},
        training={"epochs": 3, "compile": False, "device": "cpu"},
    )
    return fit.train(recipe, out=folder / "run")


def test_one_looks_at_what_one_asks_for(leaves: Run, capsys: pytest.CaptureFixture[str]) -> None:
    new, held = leaves.path.parent / "new.png", pl.read_parquet(leaves.path / "predictions.parquet").filter(pl.col("part") == "test")
    row = held.row(2, named=True)
    assert main(["report", str(leaves.path), "--look", str(new), "--look", row["name"], "--look", str(row["example"])]) == 0
    found = read(leaves)["saliency"]
    assert found["asked_for"] is True
    first, second, third = found["examples"]
    answer = leaves.predict([str(new)]).row(0, named=True)
    assert (first["name"], first["target"], first["prediction"]) == (answer["name"], None, answer["prediction"])
    assert first["probability"] == pytest.approx(max(answer["probability:elm"], answer["probability:oak"]))
    assert len(first["maps"]) == 1 and len(first["activations"]) == 4
    assert (second["name"], second["target"]) == (row["name"], row["target"])
    assert {**third, "picture": "", "maps": [], "activations": []} == {**second, "picture": "", "maps": [], "activations": []}
    page = (leaves.path / "report.html").read_text()
    assert "Where it looked" in page and "worst wrong ones" not in page and "new.png" in page
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--look", "elm/nosuch.png"], "there is no picture file 'elm/nosuch.png', and the test part has no example of this name"),
        (["--look", "new.png", "--no-examples"], "--look and --no-examples do not go together"),
    ],
)
def test_what_cannot_be_looked_at_is_said_and_nothing_changes(leaves: Run, words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in (leaves.path / "figures").iterdir()}
    capsys.readouterr()
    assert main(["report", str(leaves.path), *words]) == 2
    assert said in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (leaves.path / "figures").iterdir()} == before


def test_a_run_that_sees_no_pictures_has_nothing_to_look_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "points.csv").write_text("a,b\n" + "".join(f"{i},{'xy'[i % 2]}\n" for i in range(40)))
    assert main(["train", str(tmp_path / "points.csv"), "--target", "b", "--epochs", "1", "--quiet", "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert main(["report", str(tmp_path / "run"), "--look", "a.png"]) == 2
    assert "is no classifier of pictures" in capsys.readouterr().err
