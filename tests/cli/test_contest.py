"""An image contest from table to submission: folds, their average, and the sample's ids, order and columns."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import sonde
from sonde.cli.main import main

CLASSES = ("daisy", "roses", "tulips")


@pytest.fixture(scope="module")
def contest(sonde_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """45 photographs with labels and 9 without, a sample in another order, and a K-fold of 3 on them."""
    place = tmp_path_factory.mktemp("contest")
    (place / "images").mkdir()
    rows = []
    with tarfile.open(sonde_data / "flowers" / "flowers.tar") as archive:
        members = sorted((member for member in archive if member.isfile()), key=lambda member: member.name)
        for label in CLASSES:
            for member in [each for each in members if f"/train/{label}/" in f"/{each.name}"][:18]:
                file = archive.extractfile(member)
                assert file is not None
                name = f"images/{len(rows) * 7919 % 1000}.jpg"
                (place / name).write_bytes(file.read())
                rows.append((name, label))
    table = pl.DataFrame(rows, schema=["image", "label"], orient="row").sample(fraction=1.0, shuffle=True, seed=0)
    table.head(45).write_csv(place / "leaves.csv")
    table.tail(9).select("image").write_csv(place / "test.csv")
    table.tail(9).write_csv(place / "answers.csv")
    table.tail(9).sort("image").with_columns(pl.lit("daisy").alias("label")).write_csv(place / "sample.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        words = ["train", "leaves.csv", "--target", "label", "--images", "image", "--folds", "3", "--augment", "flip,shift", "--size", "16"]
        assert main([*words, "--model", "mlp", "--epochs", "2", "--no-compile", "--quiet", "--out", "run"]) == 0
    return place


@pytest.fixture
def here(contest: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(contest)
    return contest


def test_every_picture_is_predicted_once_by_a_fold_that_has_not_seen_it(here: Path) -> None:
    whole = pl.read_parquet("run/predictions.parquet")
    assert sorted(whole["name"]) == sorted(pl.read_csv("leaves.csv")["image"])
    assert sorted(whole["fold"].unique()) == [1, 2, 3]
    assert whole["part"].unique().to_list() == ["out-of-fold"]
    assert "accuracy" in json.loads(Path("run/metrics.json").read_text())["out_of_fold"]


def test_the_submission_is_the_folds_average_in_the_samples_order(here: Path) -> None:
    assert main(["predict", "run", "test.csv", "--submission", "sample.csv", "--out", "submission.csv", "--quiet"]) == 0
    handed_in, sample = pl.read_csv("submission.csv"), pl.read_csv("sample.csv")
    assert handed_in.columns == sample.columns
    assert handed_in["image"].to_list() == sample["image"].to_list()
    columns = [f"probability:{name}" for name in CLASSES]
    each = [sonde.load(f"run/folds/{fold}").predict("test.csv").sort("name").select(columns).to_numpy() for fold in (1, 2, 3)]
    mean = np.exp(np.log(each).mean(axis=0))  # logits are averaged: the geometric mean of probabilities
    mean /= mean.sum(1, keepdims=True)
    assert handed_in["label"].to_list() == [CLASSES[answer] for answer in mean.argmax(1)]

    pl.DataFrame({"id": [Path(name).stem for name in sample["image"]], **dict.fromkeys(CLASSES, 0.0)}).write_csv("wide.csv")
    assert main(["predict", "run", "test.csv", "--submission", "wide.csv", "--out", "probabilities.csv", "--quiet"]) == 0
    wide = pl.read_csv("probabilities.csv")
    assert wide.columns == ["id", *CLASSES]
    np.testing.assert_allclose(wide.select(CLASSES).to_numpy(), mean, atol=1e-5)


def test_a_sample_of_other_pictures_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = pl.read_csv("sample.csv")
    other = sample["image"].to_list()
    sample.with_columns(pl.Series("image", ["images/x.jpg", *other[1:]])).write_csv("other.csv")
    assert main(["predict", "run", "test.csv", "--submission", "other.csv", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "1 ids have no prediction: 'images/x.jpg'" in said
    assert "--id" not in said


def test_the_leaderboard_is_played_with_a_public_and_a_private_part(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "run", "answers.csv", "--public", "0.4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main(["evaluate", "run", "answers.csv", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)["metrics"]["accuracy"]
    parts = [found["public"], found["private"]]
    assert sum(part["examples"] for part in parts) == 9
    assert sum(part["examples"] * part["metrics"]["accuracy"] for part in parts) / 9 == pytest.approx(whole)
    limit = parts[1]["metrics"]["accuracy"] + 0.01
    assert main(["evaluate", "run", "answers.csv", "--public", "0.4", "--at-least", f"accuracy={limit}"]) == 1
    shown = capsys.readouterr().out
    assert "public" in shown
    assert "private" in shown
    assert "is not at least" in shown
    assert main(["evaluate", "run", "--public", "0.4"]) == 2
    assert "a contest is played on new data" in capsys.readouterr().err
