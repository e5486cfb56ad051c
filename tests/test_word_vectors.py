"""Word vectors from a text: words that are used alike are neighbours; sums of words, analogies, and what cannot be asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import sonde
from sonde.cli.main import main
from sonde.errors import DataError, UsageError
from sonde.run import Run
from sonde.word_vectors import read_questions, word_vectors

PLACES = ("paris", "rome", "berlin", "madrid")
FOODS = ("bread", "soup", "rice", "fish")


def verses() -> str:
    """Places are travelled to and foods are eaten; the words around tell which is which."""
    lines = []
    for i in range(400):
        place, food = PLACES[i // 2 % 4], FOODS[i // 2 % 4]
        lines.append(f"We travel by train to {place}, far away." if i % 2 else f"They eat hot {food} for their supper!")
    return "\n".join(lines)


@pytest.fixture(scope="module", params=["skip-gram", "cbow"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("words")
    (folder / "verses.txt").write_text(verses())
    options = {"task.subsample": 0.0, "task.window": 3, "model.width": 12}
    return sonde.train(
        str(folder / "verses.txt"), task="word-vectors", model=request.param, settings=options, epochs=12, batch_size=128, lr=0.03, out=folder / "run"
    )


def test_words_that_are_used_alike_are_neighbours(run: Run) -> None:
    vectors = word_vectors(run)
    assert {word for word, _ in vectors.neighbours("paris", 3)} == set(PLACES[1:])
    assert {word for word, _ in vectors.neighbours("Soup", 3)} == {"bread", "rice", "fish"}
    assert [cosine for _, cosine in vectors.neighbours("paris", 5)] == sorted((c for _, c in vectors.neighbours("paris", 5)), reverse=True)
    assert float(vectors["rome"].norm()) == pytest.approx(1)
    assert "," not in vectors.words
    assert "" not in vectors.words


def test_sums_and_differences_are_computed_with_unit_vectors(run: Run) -> None:
    vectors = word_vectors(run)
    found = dict(vectors.neighbours("bread - soup + rome", 30))
    assert not {"bread", "soup", "rome"} & set(found)
    wanted = vectors["bread"] - vectors["soup"] + vectors["rome"]
    assert found["paris"] == pytest.approx(float(torch.cosine_similarity(wanted, vectors["paris"], dim=0)), abs=1e-6)
    assert vectors.neighbours("bread − soup + rome", 2) == vectors.neighbours("bread - soup + rome", 2)


def test_held_out_text_is_measured_by_the_same_loss(run: Run) -> None:
    before = 6 * 0.6931  # nothing learned: six scores of 0
    assert 0 < run.metrics["loss"] < 0.7 * before
    assert run.metrics["noise-accuracy"] > 0.5
    assert run.evaluate(part="validation")["metrics"]["loss"] == pytest.approx(run.metrics_file["validation"]["loss"], rel=1e-6)


def test_questions_of_analogy_are_counted_by_section(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = word_vectors(run)
    best = vectors.neighbours("soup - bread + paris", 1)[0][0]
    file = tmp_path / "questions.txt"
    file.write_text(f": kinds\nbread soup paris {best}\nBread soup paris fish\n: unknown\nathens greece paris france\n")
    assert list(read_questions(file)) == ["kinds", "unknown"]
    assert vectors.analogies(read_questions(file)["kinds"]) == (1, 2)
    assert main(["evaluate", str(run.path), "--analogies", str(file), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["analogies"]
    assert [(row["section"], row["right"], row["asked"], row["questions"]) for row in rows] == [("kinds", 1, 2, 2), ("unknown", 0, 0, 1), ("all", 1, 2, 3)]
    assert main(["evaluate", str(run.path), "--analogies", str(file), "--at-least", "accuracy=0.9"]) == 1


def test_the_command_line_shows_neighbours(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(run.path), "--text", "paris", "--next", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["texts"][0]
    assert {each["word"] for each in told["neighbours"]} == set(PLACES[1:])
    assert main(["predict", str(run.path), "--text", "pariss"]) == 2
    assert "did you mean 'paris'" in capsys.readouterr().err


@pytest.mark.parametrize("expression", ["", "paris rome", "paris +", "- ", "paris + - rome"])
def test_what_is_no_sum_of_words_is_refused(run: Run, expression: str) -> None:
    with pytest.raises(UsageError, match=r"neither a word nor a sum of words\n.*spaces around the signs"):
        word_vectors(run).neighbours(expression)


def test_questions_that_are_none_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "questions.txt"
    file.write_text(": a\none two three four\none two three\n")
    with pytest.raises(DataError, match=r"line 3.*3 words, and a question is four"):
        read_questions(file)
    file.write_text(": a\n\n")
    with pytest.raises(DataError, match="there is no question"):
        read_questions(file)


def test_text_without_two_words_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("a rose is a rose\n" * 3)
    with pytest.raises(DataError, match=r"no two words .* occur 50 times\n.*--floor 1"):
        sonde.train(str(tmp_path / "short.txt"), task="word-vectors", settings={"data.floor": 50}, out=tmp_path / "run")
