"""Sentences from a file to a prediction: classes, tags, and what a run says of texts that it never saw."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import sonde
from sonde.errors import DataError, RecipeError, RunError
from sonde.recipe import read

GOOD, BAD, THINGS = ("a fine", "a moving", "a great"), ("a dull", "a stupid", "a weak"), ("film", "story", "book", "play")
NAMES = ("Anna", "Boris", "Clara", "David")


def reviews(path: Path, count: int = 240) -> Path:
    rng = np.random.default_rng(0)
    lines = []
    for number in range(count):
        label = int(rng.integers(2))
        lines.append(f"{rng.choice((BAD, GOOD)[label])} {rng.choice(THINGS)} and number {number}\t{label}\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


def names(path: Path, count: int = 150) -> Path:
    rng = np.random.default_rng(0)
    sentences = []
    for _ in range(count):
        name = str(rng.choice(NAMES))
        more = [("Berg", "I-per")] if rng.integers(2) else []
        words = [("then", "O")] * int(rng.integers(1, 4)) + [(name, "B-per"), *more, ("sleeps", "O"), ("in", "O"), ("Oslo", "B-loc"), (".", "O")]
        sentences.append("".join(f"{word}\t{tag}\n" for word, tag in words) + "\n")
    path.write_text("".join(sentences), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def classified(tmp_path_factory: pytest.TempPathFactory) -> sonde.Run:  # type: ignore[name-defined]
    folder = tmp_path_factory.mktemp("reviews")
    return sonde.train(str(reviews(folder / "reviews.tsv")), epochs=8, lr=0.02, settings={"model.width": 16, "model.buckets": 64}, out=folder / "run")


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> sonde.Run:  # type: ignore[name-defined]
    folder = tmp_path_factory.mktemp("names")
    settings = {"model.width": 16, "model.bidirectional": True}
    return sonde.train(str(names(folder / "names.conll")), model="gru", epochs=12, settings=settings, lr=0.02, out=folder / "run")


def test_sentences_are_classified(classified: sonde.Run) -> None:  # type: ignore[name-defined]
    assert classified.metrics["accuracy"] > 0.95
    assert classified.description["model"]["name"] == "embedding-bag"
    assert classified.recipe.data.tokenizer == "words"
    assert classified.recipe.data.target == ("label",)
    said = [json.loads(line) for line in (classified.path / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    notes = [event["message"] for event in said if event["event"] == "note"]
    assert any("that the training part does not know: all are read as one, <unk>" in note for note in notes)


def test_lists_lines_and_tables_are_predicted(classified: sonde.Run, tmp_path: Path) -> None:  # type: ignore[name-defined]
    texts = ["a great play", "a stupid book"]
    assert classified.predict(texts)["prediction"].to_list() == ["1", "0"]
    (tmp_path / "new.txt").write_text("a great play\n\na stupid book\n", encoding="utf-8")
    assert classified.predict(tmp_path / "new.txt")["prediction"].to_list() == ["1", "0"]
    assert classified.predict(pl.DataFrame({"text": texts}))["prediction"].to_list() == ["1", "0"]
    pl.DataFrame({"review": texts}).write_csv(tmp_path / "new.csv")
    assert classified.predict(tmp_path / "new.csv")["prediction"].to_list() == ["1", "0"]
    (tmp_path / "one.tsv").write_text("a dull film\t0\n", encoding="utf-8")
    assert classified.evaluate(tmp_path / "one.tsv")["metrics"]["accuracy"] == 1.0
    assert classified.predict(["never 日本 seen"]).height == 1


def test_a_run_reads_its_parts_again_as_it_was_trained(classified: sonde.Run) -> None:  # type: ignore[name-defined]
    again = sonde.load(classified.path)
    assert again.evaluate(part="test")["metrics"] == pytest.approx({name: classified.metrics[name] for name in classified.metrics})


def test_worst_sentences_are_shown_whole(classified: sonde.Run) -> None:  # type: ignore[name-defined]
    worst = json.loads((classified.path / "figures" / "explain.json").read_text(encoding="utf-8"))["worst"]
    assert all(set(each["row"]) == {"text"} for each in worst)


def test_tokens_are_tagged(tagged: sonde.Run, tmp_path: Path) -> None:  # type: ignore[name-defined]
    assert tagged.metrics["span-f1"] > 0.95
    assert set(tagged.metrics) == {"span-f1", "accuracy", "loss", "span-precision", "span-recall"}
    assert tagged.recipe.data.tokenizer == "tokens"
    assert tagged.predict(["then Anna Berg sleeps in Oslo."])["prediction"].to_list() == ["O B-per I-per O O B-loc O"]
    (tmp_path / "new.txt").write_text("then Clara sleeps in Oslo .\n", encoding="utf-8")
    assert tagged.predict(tmp_path / "new.txt")["prediction"].to_list() == ["O B-per O O B-loc O"]
    held = tagged.evaluate(names(tmp_path / "more.conll", 20))
    assert held["metrics"]["span-f1"] > 0.9
    rows = pl.read_parquet(tagged.path / "predictions.parquet")
    assert rows["target"][0].split(" ").count("B-loc") == 1
    assert rows.filter(pl.col("prediction") == pl.col("target")).height > 0.9 * rows.height


def test_lines_are_no_tags_to_measure_by(tagged: sonde.Run, tmp_path: Path) -> None:  # type: ignore[name-defined]
    (tmp_path / "new.txt").write_text("Clara sleeps\n", encoding="utf-8")
    with pytest.raises(DataError, match="there is no column 'tags' to compare predictions with"):
        tagged.evaluate(tmp_path / "new.txt")


def test_a_run_begins_from_another_with_its_vocabulary(classified: sonde.Run, tmp_path: Path) -> None:  # type: ignore[name-defined]
    path = reviews(tmp_path / "other.tsv", 60)
    path.write_text(path.read_text(encoding="utf-8").replace("film", "opera"), encoding="utf-8")
    run = sonde.train(str(path), weights=str(classified.path), epochs=1, out=tmp_path / "run")
    assert run.preparation.to_json() == classified.preparation.to_json()


def test_the_vocabulary_of_another_run_is_refused(
    classified: sonde.Run,  # type: ignore[name-defined]
    tagged: sonde.Run,  # type: ignore[name-defined]
    tmp_path: Path,
) -> None:
    shutil.copytree(classified.path, tmp_path / "run")
    shutil.copytree(tagged.path / "preprocessing", tmp_path / "run" / "preprocessing", dirs_exist_ok=True)
    with pytest.raises(RunError, match=r"the preprocessing has a vocabulary of [\d,]+ pieces, and the model one of [\d,]+: it is another run's"):
        sonde.load(tmp_path / "run").predict(["a great play"])


def test_parts_from_other_files(tmp_path: Path) -> None:
    settings = {"model.width": 8, "model.buckets": 32}
    path, test = reviews(tmp_path / "reviews.tsv", 120), reviews(tmp_path / "held.tsv", 40)
    run = sonde.train(str(path), test=str(test), epochs=1, settings=settings, out=tmp_path / "run")
    assert run.metrics_file["examples"] == {"train": 102, "validation": 18, "test": 40}
    tags = sonde.train(str(names(tmp_path / "n.conll", 60)), test=str(names(tmp_path / "t.conll", 30)), model="gru", epochs=1, out=tmp_path / "tags")
    assert tags.metrics_file["examples"]["test"] == 30


def test_tagged_tokens_are_read_as_they_stand(tmp_path: Path) -> None:
    path = names(tmp_path / "names.conll", 60)
    with pytest.raises(RecipeError, match=r"tokens with tags are read as they stand, and not by the tokeniser 'bpe'"):
        sonde.train(str(path), tokenizer="bpe", epochs=1, out=tmp_path / "run")
    with pytest.raises(RecipeError, match=r"only tokens that are given are read as they stand"):
        sonde.train(str(reviews(tmp_path / "r.tsv", 60)), tokenizer="tokens", epochs=1, out=tmp_path / "other")
    with pytest.raises(RecipeError, match=r"there is no tokeniser 'bytes'"):
        sonde.train(str(reviews(tmp_path / "r.tsv", 60)), tokenizer="bytes", epochs=1, out=tmp_path / "other")


@pytest.mark.parametrize("tokenizer", ["bpe", "wordpiece"])
def test_any_tokeniser_serves_and_is_kept_with_the_run(tmp_path: Path, tokenizer: str) -> None:
    path = reviews(tmp_path / "reviews.tsv", 120)
    settings = {"model.width": 8, "model.buckets": 32}
    run = sonde.train(str(path), tokenizer=tokenizer, vocabulary=300, epochs=1, settings=settings, out=tmp_path / "run")
    assert read(run.path / "recipe.toml").data.tokenizer == tokenizer
    kept = json.loads((run.path / "preprocessing" / "preparation.json").read_text(encoding="utf-8"))
    assert kept["preparation"]["tokenizer"]["name"] == tokenizer
    before = run.predict(["a great play"])
    assert sonde.load(run.path).predict(["a great play"]).equals(before)


def test_folds_of_sentences_and_of_tags(tmp_path: Path) -> None:
    settings = {"model.width": 8, "model.buckets": 32}
    run = sonde.train(str(reviews(tmp_path / "reviews.tsv", 120)), folds=2, epochs=2, settings=settings, out=tmp_path / "run")
    assert 0 <= run.metrics["accuracy"] <= 1
    assert run.predict(["a great play", "a dull film"]).height == 2
