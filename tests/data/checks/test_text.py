"""The doctor of texts: odd characters, long texts, pairs that are none, characters and tags that were never seen."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from sonde.data.check import Findings, check
from sonde.data.contents import Content, Examples, Kind
from sonde.data.infer import infer
from sonde.data.open import open_data
from sonde.data.split import split
from sonde.errors import Problem
from sonde.recipe import Data

SAID = [f"the film number {number} is a {word} one" for number in range(30) for word in ("good", "bad")]


def content(kind: Kind, target: str | None, **parts: pl.DataFrame) -> Content:
    held = {part: Examples(frame) for part, frame in parts.items()}
    return Content(kind, "t.txt", "t", "some text", held, "0" * 64, target=target)  # type: ignore[arg-type]


def found(of: Content, **data: object) -> Findings:
    chosen = Data(**{"validation": 0, **data})  # type: ignore[arg-type]
    inferred = infer(of, chosen)
    parts = split(of, chosen, task=inferred.task, targets=inferred.targets, seed=0)
    return check(of, chosen, inferred=inferred, parts=parts)


def labelled(texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"text": texts, "label": ["1" if "good" in text else "0" for text in texts]})


def said(findings: Findings, words: str) -> Problem:
    (problem,) = [problem for problem in findings.problems if words in problem.found]
    return problem


def test_a_clean_text_has_no_problem() -> None:
    findings = found(content("text", "label", train=labelled(SAID), test=labelled([text + "!" for text in SAID])))
    assert not findings.problems
    (text, label) = findings.figures["columns"]
    assert (text["type"], text["role"], text["why"]) == ("text", "feature", "8 words in a row on average")
    assert label["role"] == "target"


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("a broken l�tter", "holds the mark of a broken letter (�)", "fetch the text again"),
        ("a cafÃ© in ParÃ­s", "such as Ã© for é", "save the text as UTF-8 again"),
        ("a bell \x07 rings", "holds control characters", "delete them"),
        ("a logo \ue000 here", "characters of private use", "replace them"),
    ],
)
def test_characters_that_no_writer_meant(text: str, what: str, remedy: str) -> None:
    problem = said(found(content("text", "label", train=labelled([*SAID, text]), test=labelled(["a good end"]))), what)
    assert problem.level == "warning"
    assert problem.where == "t.txt (train part), column 'text', line 62"
    assert remedy in problem.remedy


def test_accents_are_no_mistakes() -> None:
    right = ["Ça va, André ? Â", "größer als Ä", "naïve façade", "œuvre “quoted” – dash…", "日本語の文"]
    findings = found(content("text", "label", train=labelled(SAID + right), test=labelled(["a good end", "a bad end"])))
    assert not [problem for problem in findings.problems if problem.level == "warning"]


def test_long_texts_and_texts_that_are_cut() -> None:
    findings = found(content("text", "label", train=labelled([*SAID, "word " * 400]), test=labelled(["a good end"])))
    long = said(findings, "where the middle one has")
    assert long.found == "1 text of up to 2,000 characters, where the middle one has 31: is an end of a line missing?"
    cut = said(findings, "is not read")
    assert (cut.level, cut.found) == ("note", "1 text of 61 has more than 256 words and marks: the rest of it is not read")
    assert cut.remedy == "read more with --length 512"


def test_texts_that_come_again() -> None:
    findings = found(content("text", "label", train=labelled([*SAID, SAID[0]]), test=labelled([SAID[0], *["another good one"] * 30])))
    assert "repeats an earlier one exactly" in said(findings, "repeats").found
    assert "1 row of 31 in the test part stands in the train part too" in said(findings, "stands in the train").found


def test_pairs_of_odd_length_and_untranslated_ones() -> None:
    source = [f"I have seen number {number} before." for number in range(60)]
    target = [f"J'ai déjà vu le numéro {number}." for number in range(60)]
    target[4], target[7] = "Oui.", source[7]
    findings = found(content("pairs", "target", train=pl.DataFrame({"source": source, "target": target})), test=0)
    odd = said(findings, "over 4 times as long")
    assert odd.where == "t.txt, line 6"
    assert odd.found.startswith("1 pair in which one side")
    same = said(findings, "the same text on both sides")
    assert same.where == "t.txt, line 9"


def test_unseen_characters_of_a_running_text_are_counted() -> None:
    parts = {"train": pl.DataFrame({"text": ["abc\n"] * 60}), "test": pl.DataFrame({"text": ["abxy\n", "xx\n"]})}
    note = said(found(content("text", None, **parts)), "foretell")
    assert note.level == "note"
    assert note.found == "2 characters 'x', 'y' (4 times) do not occur in the training part: the model can never foretell them"


def test_unseen_tags_and_counts_of_spans() -> None:
    train = pl.DataFrame({"tokens": [["in", "Oslo"]] * 60, "tags": [["O", "B-loc"]] * 60})
    test = pl.DataFrame({"tokens": [["May", "x"]], "tags": [["B-per", "O"]]})
    findings = found(content("tagged", "tags", train=train, test=test))
    error = said(findings, "does not occur in the training part")
    assert (error.level, error.where) == ("error", "t.txt (test part), line 2")
    assert error.found == "tag 'B-per' of 1 sentence does not occur in the training part"
    assert findings.figures["classes"] == [{"name": "loc", "counts": {"train": 60, "test": 0}}, {"name": "per", "counts": {"train": 0, "test": 1}}]
    assert [(column["type"], column["role"]) for column in findings.figures["columns"]] == [("text", "feature"), ("text", "target")]


def test_imbalance_of_labelled_text() -> None:
    texts = [f"the film number {number} is good" for number in range(90)] + ["a bad one", "so bad"]
    of = content("text", "label", train=labelled(texts))
    assert "class '1' has" in said(found(of, test=0), "to 1").found


def test_a_real_set_is_clean(sonde_data: Path) -> None:
    of = open_data("sst2")
    findings = check(of, Data(), inferred=infer(of, Data()))
    assert {problem.level for problem in findings.problems} == {"note"}
