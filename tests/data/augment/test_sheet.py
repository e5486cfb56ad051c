"""`sonde data PATH --augment …`: the pictures that it shows are those that training would see."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from report.checker import check
from sonde.cli.main import main
from sonde.data.assemble import assemble
from sonde.data.augment import augmentation
from sonde.data.augment.scene import Scene
from sonde.data.augment.sheet import EPOCHS, FRAME, augmented_sheet, paint
from sonde.recipe import Recipe


def recipe(*names: str) -> Recipe:
    return Recipe().replace(data={"path": "digits", "augment": names}, training={"seed": 3})


def test_cells_are_what_training_sees(tmp_path: Path) -> None:
    chosen = recipe("shift", "rotate:30")
    dataset = assemble(chosen)
    found = augmented_sheet(chosen, dataset, tmp_path)
    assert [row["label"] for row in found["rows"]] == [str(digit) for digit in range(8)]
    assert all(len(row["cells"]) == EPOCHS + 1 for row in found["rows"])
    train = dataset.parts["train"]
    assert train.examples.pictures is not None
    labels = train.examples.frame["label"][train.index].cast(str).to_list()
    first = int(train.index[labels.index("0")])
    step = augmentation(chosen.data.augment or (), seed=3)
    assert step is not None
    whole = torch.from_numpy(train.examples.pictures.read(first).copy()).permute(2, 0, 1)[None]
    for epoch in range(EPOCHS):
        shown = np.asarray(Image.open(tmp_path / found["rows"][0]["cells"][epoch + 1]["file"]))[6::12, 6::12]
        seen = step(whole, torch.tensor([first]), epoch)[0, 0].round().numpy()
        assert np.array_equal(shown, seen)
    again = augmented_sheet(chosen, dataset, tmp_path / "again")
    assert again == found


def test_mixed_labels_are_told(tmp_path: Path) -> None:
    found = augmented_sheet(recipe("mixup:1"), assemble(recipe("mixup:1")), tmp_path)
    labels = [cell["label"] for row in found["rows"] for cell in row["cells"][1:]]
    assert sum("%" in label for label in labels) > 30
    assert all(label.split("\u00a0")[0] >= "50" for label in labels if "%" in label and not label.startswith("100"))


def test_boxes_and_masks_are_drawn() -> None:
    boxes, kept = torch.tensor([[[2.0, 2, 6, 8], [0, 0, 0, 0]]]), torch.tensor([[True, False]])
    masks = torch.zeros(1, 24, 24, dtype=torch.int64)
    masks[0, 10:, 10:] = 1
    image = paint(Scene(torch.full((1, 1, 24, 24), 100, dtype=torch.uint8), boxes, kept, masks), 0)
    assert image.size == (96, 96)
    assert image.getpixel((8, 8)) == FRAME
    assert image.getpixel((4, 4)) == (100, 100, 100)
    assert image.getpixel((60, 60)) == (83, 117, 172)


def test_the_page_shows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "digits", "--augment", "shift,mixup"]) == 0
    assert "page digits.html" in capsys.readouterr().out
    page = check(tmp_path / "digits.html")
    words = " ".join(page.text.split())
    assert "What the network sees" in words
    assert "--augment shift,mixup" in words
    assert page.count("img") == 24 + 8 * (EPOCHS + 1)


def test_boxes_that_would_be_emptied_are_said_as_train_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rng, entries = np.random.default_rng(0), []
    (tmp_path / "boxes").mkdir()
    for number in range(8):
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "boxes" / f"{number}.png")
        entries.append({"id": number + 1, "image_id": number + 1, "category_id": 1, "bbox": [20, 20, 24, 24], "area": 576, "iscrowd": 0})
    images = [{"id": number + 1, "file_name": f"{number}.png", "width": 64, "height": 64} for number in range(8)]
    table = {"images": images, "categories": [{"id": 1, "name": "square"}], "annotations": entries}
    (tmp_path / "boxes" / "instances.json").write_text(json.dumps(table), encoding="utf-8")
    said = []
    narrow = ["--set", "model.width=8", "--epochs", "1", "--quiet"]
    for words in (["data"], ["train", "--model", "yolo-small", *narrow]):
        assert main([words[0], "boxes", *words[1:], "--augment", "crop:0.001:0.002"]) == 2
        said.append(capsys.readouterr().err.partition("error: ")[2])
    assert said[0].startswith("data.augment: crop leaves none of the boxes of ")
    assert said[0] == said[1]
    assert not (tmp_path / "boxes.html").exists()
    assert main(["data", "boxes", "--augment", "crop"]) == 0
    assert (tmp_path / "boxes.html").exists()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["digits", "--augment", "flips"], "there is no augmentation 'flips'"),
        (["iris", "--augment", "flip"], "augmentation is for pictures; these data are a table"),
    ],
)
def test_mistakes(words: list[str], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", *words]) == 2
    assert what in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
