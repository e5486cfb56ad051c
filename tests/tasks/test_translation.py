"""Translation from a file of pairs to text: teacher forcing, padding, what is measured, what is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import sonde
from sonde import models, tasks
from sonde.data.assemble import assemble
from sonde.data.batch import Batch
from sonde.data.prepare.tokenizers import BEGIN, END, PAD
from sonde.errors import DataError, RecipeError
from sonde.metrics.bleu import corpus_bleu
from sonde.ops.losses import NO_TARGET
from sonde.recipe import Recipe

WORDS = ("red", "green", "blue", "black")
TARGET = {"kind": "tokens", "columns": ["target"], "tokenizer": {"name": "characters", "alphabet": "abcde"}, "form": "raw", "length": 4}


def pairs(path: Path, count: int = 160) -> Path:
    """Sentences of colours, and the same colours in French."""
    french = dict(zip(WORDS, ("rouge", "vert", "bleu", "noir"), strict=True))
    lines = []
    for row in range(count):
        chosen = [WORDS[(row * 7 + place * (row % 5 + 1)) % 4] for place in range(2 + row % 3)]
        lines.append(f"the {' '.join(chosen)} {row % 16}.\tle {' '.join(french[word] for word in chosen)} {row % 16}.\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("translation")
    settings = {"model.width": 16, "model.layers": 1, "model.heads": 2, "task.smoothing": 0.1}
    return sonde.train(pairs(folder / "pairs.tsv"), epochs=1, lr=0.01, batch_size=16, floor=1, out=folder / "run", settings=settings)


def batch(source: list[list[int]], lengths: list[int], targets: list[list[int]]) -> Batch:
    known = torch.tensor(targets)
    counts = {"examples": float((known != NO_TARGET).sum())}
    return Batch((torch.tensor(source), torch.tensor(lengths)), known, torch.arange(len(source)), counts)


@pytest.mark.parametrize("name", ["transformer", "seq2seq-gru", "seq2seq-lstm-attention"])
def test_the_loss_does_not_change_when_padding_grows(name: str) -> None:
    torch.manual_seed(0)
    model = models.build(name, {"vocabulary": 9, "outputs": 9, "width": 8, "layers": 1, "dropout": 0.0}).double()
    task = tasks.build("translation", {"smoothing": 0.1}, TARGET)
    few = batch([[4, 5, 6], [7, 0, 0]], [3, 1], [[5, 6, END], [8, END, NO_TARGET]])
    more = batch([[4, 5, 6, 0, 0], [7, 0, 0, 0, 0]], [3, 1], [[5, 6, END, NO_TARGET], [8, END, NO_TARGET, NO_TARGET]])
    one, other = task.loss(model, few, few.counts), task.loss(model, more, more.counts)
    torch.testing.assert_close(one.value, other.value, rtol=1e-12, atol=1e-12)
    assert one.terms["loss"][1] == other.terms["loss"][1] == 5.0
    assert not one.output[1, 2].any()


def test_every_token_is_foretold_from_the_true_ones_before_it() -> None:
    class Listening(torch.nn.Module):
        heard: torch.Tensor

        def encode(self, tokens: torch.Tensor, lengths: torch.Tensor) -> Any:
            return (lengths,)

        def advance(self, tokens: torch.Tensor, state: Any) -> Any:
            self.heard = tokens
            return torch.zeros(*tokens.shape, 9), None

    model = Listening()
    given = batch([[4], [5]], [1, 1], [[5, 6, END], [8, END, NO_TARGET]])
    loss = tasks.build("translation", {}, TARGET).loss(model, given, given.counts)
    assert model.heard.tolist() == [[BEGIN, 5, 6], [BEGIN, 8, END]]
    assert loss.value.item() == pytest.approx(torch.tensor(9.0).log().item())


def test_what_is_written_ends_and_is_text() -> None:
    torch.manual_seed(0)
    model = models.build("transformer", {"vocabulary": 9, "outputs": 9, "width": 8, "heads": 2, "layers": 1}).eval()
    for beam in (1, 3):
        task = tasks.build("translation", {"beam": beam, "longest": 6}, TARGET)
        tokens = task.predict(model, (torch.randint(4, 9, (5, 3)), torch.full((5,), 3)))
        assert tokens.shape == (5, 6)
        for row in tokens.tolist():
            end = row.index(END) if END in row else 6
            assert all(token > END for token in row[:end])
            assert all(token == PAD for token in row[end + 1 :])
        assert all(isinstance(text, str) for text in task.table(tokens)["prediction"])


def test_a_run_translates_and_says_how_well(run: Any) -> None:
    for part in ("train", "validation", "test"):
        assert set(run.metrics_file[part]) == {"loss", "perplexity", "accuracy", "bleu"}
    table = pl.read_parquet(run.path / "predictions.parquet")
    assert {"source", "target", "prediction"} <= set(table.columns)
    test = table.filter(pl.col("part") == "test")
    assert corpus_bleu(test["prediction"].to_list(), test["target"].to_list()).score == pytest.approx(run.metrics_file["test"]["bleu"])
    assert not set(test["source"]) & set(run.part("train")[2].frame["source"].gather(run.part("train")[1]))
    assert run.evaluate()["metrics"] == pytest.approx(run.metrics_file["test"])
    assert run.metrics_file["monitor"] == "loss"


def test_a_run_translates_new_sentences(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "new.tsv"
    path.write_text("the red blue 3.\tle rouge bleu 3.\nthe black 2.\tle noir 2.\n", encoding="utf-8")
    found = run.predict(path)
    assert found["prediction"].dtype == pl.String
    assert found.height == 2


def test_models_and_options_that_do_not_translate_are_refused(tmp_path: Path) -> None:
    path = pairs(tmp_path / "pairs.tsv", 60)
    with pytest.raises(RecipeError, match=r"model transformer-decoder does not do translation\n.*models that fit: transformer, "):
        sonde.train(path, model="transformer-decoder", out=tmp_path / "a")
    with pytest.raises(RecipeError, match=r"task\.beam = 0 is not a whole number"):
        sonde.train(path, out=tmp_path / "b", settings={"task.beam": 0})


def test_few_targets_that_come_again_are_translations_where_a_person_says_so(tmp_path: Path) -> None:
    rows = [(f"{who} {what}", f"{whom} {how}") for who, whom in (("he", "il"), ("she", "elle")) for what, how in (("came", "vint"), ("went", "alla"))]
    (tmp_path / "pairs.tsv").write_text("english\tfrench\n" + "".join(f"{source}\t{target}\n" for source, target in rows * 20), encoding="utf-8")
    recipe = Recipe().replace(data={"path": str(tmp_path / "pairs.tsv")})
    with pytest.raises(DataError, match="which column is to be predicted"):
        assemble(recipe)
    for data in ({}, {"text": "english"}, {"target": ("french",)}, {"text": "english", "target": ("french",)}):
        found = assemble(recipe.replace(task={"name": "translation"}, data=data))
        assert found.content.examples.frame.columns[:2] == ["source", "target"]
        assert found.content.examples.frame.row(0) == ("he came", "il vint")
    turned = assemble(recipe.replace(task={"name": "translation"}, data={"target": ("english",)}))
    assert turned.content.examples.frame.row(0) == ("il vint", "he came")
    (tmp_path / "one.csv").write_text("said,number\n" + "a long enough sentence to read,3\nanother sentence to be read,4\n" * 9)
    with pytest.raises(DataError, match="translation learns from pairs of sentences"):
        assemble(recipe.replace(task={"name": "translation"}, data={"path": str(tmp_path / "one.csv")}))
