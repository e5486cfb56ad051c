"""Pre-training: stopped and resumed bit for bit; pieces, processes and padding change nothing; a run of it is where fine-tuning begins."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from sonde import fit
from sonde.cli.main import main
from sonde.data.batch import NO_TARGET, Batch
from sonde.data.prepare.tokenizers.bert import SPECIALS, BertPieces
from sonde.errors import Interrupted, UsageError
from sonde.models.bert import Config, build
from sonde.recipe import Recipe
from sonde.run import Run
from sonde.tasks.masked_language_modelling import MaskedLanguageModelling
from sonde.training.checkpoints import Checkpoints
from sonde.writing import unmasked

WORDS = ("river", "stone", "light", "walking", "quickly", "night", "carried", "seven", "houses", "remembering")
SMALL = {"width": 8, "layers": 1, "heads": 2}


def corpus(folder: Path) -> Path:
    """Two files of paragraphs of one to four sentences."""
    draw = np.random.default_rng(4)
    (folder / "corpus").mkdir()
    for name in ("a", "b"):
        paragraphs = [" ".join(" ".join([*draw.choice(WORDS, draw.integers(2, 7)), name]) + "." for _ in range(draw.integers(1, 5))) for _ in range(80)]
        (folder / "corpus" / f"{name}.txt").write_text("\n\n".join(paragraphs) + "\n", encoding="utf-8")
    return folder / "corpus"


def recipe(path: Path, *, dropout: float = 0.0, **training: Any) -> Recipe:
    return Recipe().replace(
        data={"path": str(path), "length": 24, "vocabulary": 80},
        task={"name": "masked-language-modelling", "options": {"document": 25}},
        model={"name": "bert-tiny", "config": {**SMALL, "dropout": dropout, "attention_dropout": dropout}},
        optim={"name": "adamw", "lr": 0.01},
        training={"epochs": 2, "batch_size": 16, "compile": False, "seed": 3, **training},
    )


def saved(run: Run | Path, *, state: bool = True) -> dict[str, torch.Tensor]:
    path = run if isinstance(run, Path) else run.path
    folder = path / "checkpoints" / Checkpoints(path).pointers()["last"][0]
    return load_file(folder / "weights.safetensors") | (load_file(folder / "optimizer.safetensors") if state else {})


def stop_in_the_middle(event: dict[str, Any]) -> None:
    if event["event"] == "train":
        os.kill(os.getpid(), signal.SIGTERM)


def test_stopped_in_mid_epoch_and_resumed_is_bitwise_the_same(tmp_path: Path) -> None:
    chosen = recipe(corpus(tmp_path), dropout=0.2)
    whole = saved(fit.train(chosen, out=tmp_path / "whole", pages=False))
    with pytest.raises(Interrupted):
        fit.train(chosen, out=tmp_path / "stopped", listen=[stop_in_the_middle], pages=False)
    resumed = saved(fit.resume(tmp_path / "stopped"))
    assert whole.keys() == resumed.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name


def test_pieces_and_processes_change_nothing(tmp_path: Path) -> None:
    chosen = recipe(corpus(tmp_path), precision="float64", epochs=1)
    one = fit.train(chosen, out=tmp_path / "one", pages=False)
    for name, changed in (("pieces", {"accumulate": 3}), ("processes", {"processes": 2})):
        other = fit.train(chosen.replace(training=changed), out=tmp_path / name, pages=False)
        first, second = saved(one, state=False), saved(other, state=False)
        assert max(float((first[key] - second[key]).abs().max()) for key in first) <= 1e-10
        assert other.metrics == pytest.approx(one.metrics, rel=1e-9)


def test_a_run_of_it_is_where_fine_tuning_begins(tmp_path: Path) -> None:
    before = fit.train(recipe(corpus(tmp_path)), out=tmp_path / "before", pages=False)
    path = tmp_path / "sentences.tsv"
    path.write_text("text\tlabel\n" + "".join(f"{WORDS[i % 10]} {WORDS[i % 7]}\t{i % 2}\n" for i in range(60)), encoding="utf-8")
    chosen = Recipe().replace(
        data={"path": str(path), "text": "text", "target": ("label",)}, model={"weights": str(before.path)}, training={"epochs": 0}
    )
    after = fit.train(chosen, out=tmp_path / "after", pages=False)
    assert after.preparation.tokenizer == before.preparation.tokenizer
    mine, theirs = after.model.network.state_dict(), before.model.network.state_dict()  # type: ignore[union-attr, operator]
    assert {name for name in mine if name not in theirs} == {"classifier.weight", "classifier.bias"}
    for name, tensor in mine.items():
        assert name.startswith("classifier.") or torch.equal(tensor, theirs[name]), name


def test_masks_in_a_text_are_filled_and_a_tuned_run_judges_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = fit.train(recipe(corpus(tmp_path), epochs=1), out=tmp_path / "run", pages=False)
    pieces, text = run.preparation.pieces, "river [MASK] light [MASK]"
    found = unmasked(run, text)
    # By definition: the surest of the first look, then the other one with it in place.
    river, light = (pieces.encode([word])[0].tolist() for word in ("river", "light"))
    row = [pieces.begin, *river, pieces.mask, *light, pieces.mask, pieces.separator]
    masks = [place for place, number in enumerate(row) if number == pieces.mask]
    likely = []
    for _ in range(2):
        with torch.no_grad():
            p = run.model.network(torch.tensor([row]))[0].softmax(-1)  # type: ignore[union-attr, operator]
        p[:, [pieces.numbers[special] for special in SPECIALS]] = 0
        place = max((place for place in masks if row[place] == pieces.mask), key=lambda place: float(p[place].max()))
        row[place] = int(p[place].argmax())
        likely.append((place, float(p[place].max())))
    said = [pieces.vocabulary[row[place]] for place in masks]
    first, second = (f"{piece[2:]}" if piece.startswith("##") else f" {piece}" for piece in said)
    assert found.filled == f"river{first} light{second}"
    assert found.probabilities == pytest.approx([share for _, share in sorted(likely)], rel=1e-5)
    assert main(["predict", str(run.path), "--text", text, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["texts"][0]["filled"] == found.filled
    for given, said in (("river", r"'river' has no \[MASK\]"), ("stone [MASK] " * 20, "the text has [0-9]+ pieces .* read rows of 24")):
        with pytest.raises(UsageError, match=said):
            unmasked(run, given)
    path = tmp_path / "sentences.tsv"
    path.write_text("text\tlabel\n" + "".join(f"{WORDS[i % 10]} {WORDS[i % 7]}\t{i % 2}\n" for i in range(60)), encoding="utf-8")
    begun = ["--text", "text", "--target", "label", "--weights", str(run.path), "--epochs", "0", "--out", str(tmp_path / "tuned"), "--quiet"]
    assert main(["train", str(path), *begun]) == 0
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "tuned"), "--text", "river stone", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["texts"][0]["prediction"] in ("0", "1")


def test_the_loss_is_that_of_masked_places_and_pairs_alone() -> None:
    """Against the definition: logits of every place, of which the masked ones are picked; wider padding changes nothing."""
    torch.manual_seed(0)
    model = build(Config(vocabulary=30, per="masked", separator=3, length=20, dropout=0.0, attention_dropout=0.0, width=8, layers=1, heads=2)).double()
    tokens = torch.randint(5, 30, (4, 12))
    lengths = torch.tensor([12, 9, 7, 11])
    targets = torch.full((4, 12), NO_TARGET)
    targets[0, [2, 5]], targets[1, 3], targets[3, 1] = torch.tensor([7, 9]), 11, 6
    targets[:, 0] = torch.tensor([0, 1, 1, 0])
    tokens[:, 4] = 3
    tokens[torch.arange(12) >= lengths[:, None]] = 0
    task = MaskedLanguageModelling(BertPieces(SPECIALS))
    counts = {"examples": 4.0, "masked": 4.0, "pairs": 4.0}

    def loss(width: int) -> tuple[float, torch.Tensor]:
        model.zero_grad()
        inputs = F.pad(tokens, (0, width - 12)), lengths
        found = task.loss(model, Batch(inputs, F.pad(targets, (0, width - 12), value=NO_TARGET), torch.arange(4), counts), counts)
        found.value.backward()
        return found.value.item(), torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])

    words = model(tokens, lengths)
    follows = model.cls.seq_relationship(model.pooled(model.bert(tokens, lengths)))
    masked = targets[:, 1:] != NO_TARGET
    right = F.cross_entropy(words[:, 1:][masked], targets[:, 1:][masked]) + F.cross_entropy(follows, targets[:, 0])
    value, gradient = loss(12)
    assert value == pytest.approx(right.item(), rel=1e-12)
    wider, same = loss(20)
    assert wider == pytest.approx(value, rel=1e-12)
    torch.testing.assert_close(same[: len(gradient)], gradient, rtol=1e-10, atol=1e-12)

    batch = Batch((tokens, lengths), targets, torch.arange(4), counts)
    for pairs in (True, False):
        if not pairs:
            targets[:, 0] = NO_TARGET
        task = MaskedLanguageModelling(BertPieces(SPECIALS), pairs)
        found, measure = task.loss(model, batch, counts), task.metrics(final=True)["loss"]
        assert measure.value(measure.state(found.output, batch)) == pytest.approx(found.value.item(), rel=1e-12)  # held out as in training
