"""To be listed is to train on real data: every architecture, made small, through the whole path from a file to a run that predicts."""

from __future__ import annotations

import io
import math
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.tiny import one_of_each, tiny
from sonde import fit, models
from sonde.recipe import Recipe

NAMES = [name for name in one_of_each() if not models.sees_scenes(name)]  # places in pictures: test_detectors.py, test_segmenters.py
# What the data decide, and a Config that is trained is not told.
DECIDED = {"channels", "size", "classes", "numbers", "categories", "outputs", "vocabulary", "per"}
ROWS, CLASSES = 40, 2


def pictures(data: Path, folder: Path) -> Path:
    """Photographs of the first of CIFAR-10's classes, in class folders."""
    taken: dict[str, int] = {}
    with tarfile.open(data / "cifar10" / "test.tar.gz") as archive:
        for member in archive:
            label = Path(member.name).parent.name
            if not member.isfile() or (label not in taken and len(taken) == CLASSES) or taken.get(label, 0) == ROWS // CLASSES:
                continue
            file = archive.extractfile(member)
            assert file is not None
            taken[label] = taken.get(label, 0) + 1
            (folder / label).mkdir(exist_ok=True)
            (folder / label / Path(member.name).name).write_bytes(file.read())
            if sum(taken.values()) == CLASSES * (ROWS // CLASSES):
                break
    return folder


def head(source: Path, target: Path, rows: int = ROWS) -> Path:
    """The first lines of a text file."""
    with source.open(encoding="utf-8") as file:
        target.write_text("".join(line for _, line in zip(range(rows + 1), file, strict=False)), encoding="utf-8")
    return target


def pairs(data: Path, target: Path) -> Path:
    """Sentences and their translations, a tab between them."""
    with zipfile.ZipFile(data / "fra_eng" / "fra-eng.zip") as archive:
        name = next(name for name in archive.namelist() if name.endswith("fra.txt"))
        lines = io.TextIOWrapper(archive.open(name), encoding="utf-8")
        target.write_text("".join("\t".join(line.split("\t")[:2]).strip() + "\n" for _, line in zip(range(ROWS), lines, strict=False)))
    return target


# What the recipe says of each kind of data, and of the task; what makes a file of it below a folder.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "pictures": ({}, {}),
    "classification": ({"target": ("Survived",)}, {}),
    "regression": ({"target": ("median_house_value",)}, {}),
    "language-modelling": ({"tokenizer": "characters"}, {}),
    "word-vectors": ({"tokenizer": "words"}, {"name": "word-vectors"}),
    "sentences": ({"length": 8}, {}),
    "translation": ({}, {"options": {"shared": True}}),
}
MADE: dict[str, Callable[[Path, Path], Path]] = {
    "pictures": pictures,
    "classification": lambda data, folder: head(data / "titanic" / "train.csv", folder / "titanic.csv"),
    "regression": lambda data, folder: head(data / "california_housing" / "housing.csv", folder / "housing.csv"),
    "language-modelling": lambda data, folder: head(data / "time_machine" / "timemachine.txt", folder / "book.txt", 200),
    "word-vectors": lambda data, folder: head(data / "time_machine" / "timemachine.txt", folder / "book.txt", 400),
    "sentences": lambda data, folder: head(data / "sst2" / "train.tsv", folder / "sst2.tsv"),
    "translation": lambda data, folder: pairs(data, folder / "pairs.tsv"),
}
COUNTED = ("unigram", "bigram", "trigram", "ngram")  # nothing is learned step by step, so that there are no epochs
MORE: dict[str, dict[str, Any]] = {"visual-words": {"words": 16}}


def case_of(name: str) -> str:
    """The kind of data that a model is tried on."""
    if models.accepts(name) == "images":
        return "pictures"
    first: str = next(task for task in models.FITS.get(name, ("classification",)) if task in CASES)
    return "sentences" if models.accepts(name) == "tokens" and first == "classification" else first


@pytest.fixture(scope="module")
def sources(sonde_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: make(sonde_data, tmp_path_factory.mktemp(kind)) for kind, make in MADE.items()}


@pytest.mark.parametrize("name", NAMES)
def test_trains_on_real_data_and_predicts(name: str, sources: dict[str, Path], tmp_path: Path) -> None:
    kind = case_of(name)
    config = {key: value for key, value in tiny(name).items() if key not in DECIDED} | MORE.get(name, {})
    data, task = CASES[kind]
    recipe = Recipe().replace(
        data={"path": str(sources[kind]), **data} | ({"size": tiny(name)["size"]} if kind == "pictures" else {}),
        task=task,
        model={"name": name, "config": config},
        training={"epochs": None if name in COUNTED else 1, "batch_size": 16, "compile": False},
    )
    run = fit.train(recipe, out=tmp_path / "run", pages=False)
    assert run.metrics
    assert all(math.isfinite(value) for value in run.metrics.values())
