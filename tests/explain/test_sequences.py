"""What is shown of models of text: what they write, where they looked, which tokens they hold alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import sonde
from sonde.data.prepare.tokenizers.words import Words
from sonde.explain.explain import explain
from sonde.explain.sequences import embedding
from sonde.report.page import write_report
from sonde.run import Run

NUMBERS = {"one": "un", "two": "deux", "three": "trois", "four": "quatre"}


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("writer")
    (folder / "verse.txt").write_text("one two three four five six\n" * 60)
    given = {"model.width": 16, "model.layers": 2, "model.heads": 2, "task.steps": 28}
    return sonde.train(str(folder / "verse.txt"), model="transformer-decoder", settings=given, epochs=4, batch_size=8, out=folder / "run")


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("translator")
    words = list(NUMBERS)
    lines = {(a, b, c) for a in words for b in words for c in words}
    text = "".join(f"{' '.join(line)}\t{' '.join(NUMBERS[word] for word in line)}\n" for line in sorted(lines))
    (folder / "pairs.tsv").write_text(text)
    return sonde.train(str(folder / "pairs.tsv"), model="seq2seq-gru-attention", settings={"model.width": 16}, epochs=3, out=folder / "run")


def found(run: Run) -> dict[str, object]:
    return dict(json.loads((run.path / "figures" / "explain.json").read_text(encoding="utf-8")))


def test_a_language_model_shows_what_it_expected_and_where_it_looked(writer: Run) -> None:
    shown = found(writer)
    told = shown["foretold"]
    assert isinstance(told, list)
    assert {"token", "p", "next"} == set(told[0])
    assert all(0 <= each["p"] <= each["next"][0][1] + 1e-6 for each in told)
    attention = shown["attention"]
    assert isinstance(attention, dict)
    assert len(attention["maps"]) == 4  # two layers of two heads
    for each in attention["maps"]:
        weights = torch.tensor(each["weights"])
        assert weights.shape == (len(attention["rows"]), len(attention["columns"]))
        torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)), atol=0.02, rtol=0)
        assert not weights.triu(1).any()  # nothing looks ahead
    page = (writer.path / "report.html").read_text(encoding="utf-8")
    for title in ("What it writes", "What surprised it", "Where it attended", "Which tokens it holds alike"):
        assert title in page


def test_a_translator_shows_its_sentences_its_search_and_its_alignment(translator: Run) -> None:
    shown = found(translator)
    assert isinstance(shown["translations"], list)
    assert set(shown["translations"][0]) == {"source", "reference", "answer"}
    beam = shown["beam"]
    assert isinstance(beam, dict)
    assert all(0 <= node.get("parent", 0) < 4 for step in beam["steps"] for node in step)
    attention = shown["attention"]
    assert isinstance(attention, dict)
    assert len(attention["columns"]) == len(str(beam["source"]).split())
    assert attention["rows"][-1] == "<eos>"
    page = (translator.path / "report.html").read_text(encoding="utf-8")
    assert "The beam as a tree" in page
    assert "What it translates" in page


def test_without_examples_no_text_is_shown(writer: Run, translator: Run, tmp_path: Path) -> None:
    page = write_report([writer.path], tmp_path / "page.html", examples=False).read_text(encoding="utf-8")
    assert "What it writes" not in page
    assert "five" not in page
    for run in (writer, translator):
        before = (run.path / "figures" / "explain.json").read_text(encoding="utf-8")
        explain(run, examples=False)
        assert set(found(run)) <= {"format", "part", "surface"}
        (run.path / "figures" / "explain.json").write_text(before, encoding="utf-8")


def test_the_same_run_gives_the_same_pictures(writer: Run) -> None:
    before = found(writer)
    explain(writer)
    assert found(writer) == before


def test_embeddings_in_two_dimensions_are_their_principal_components() -> None:
    network, words = nn.Module(), Words(tuple(f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(150)))
    torch.manual_seed(0)
    plane = torch.randn(154, 2) * torch.tensor([3.0, 1.0])
    basis = torch.linalg.qr(torch.randn(6, 2))[0]
    network.embedding = nn.Embedding.from_pretrained(plane @ basis.T)
    shown = embedding(network, words)["embedding"]
    assert shown["share"] == pytest.approx(1)  # they lie in a plane
    places = torch.tensor([[each["x"], each["y"]] for each in shown["points"]])
    inside = plane[4 : 4 + len(places)]
    torch.testing.assert_close(torch.cdist(places.double(), places.double()), torch.cdist(inside.double(), inside.double()), atol=1e-4, rtol=1e-4)
    nearest = shown["neighbours"][0]
    cosine = nn.functional.cosine_similarity(plane[4:5], plane[4:], dim=1)
    assert nearest["near"][0][0] == words.pieces[4 + int(cosine[1:].argmax()) + 1]
