"""Language models mixed: a counted and a learned one know more together than each alone."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch

import sonde
from sonde.cli.main import main
from sonde.errors import RunError
from sonde.mixture import mixed
from sonde.nn.mixture import Mixture
from sonde.nn.sequence import language_model
from sonde.ops.decode import reordered
from sonde.run import Run

SPLIT = {"data.test": 0.2}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models of one text, and others that cannot be mixed with them."""
    folder = tmp_path_factory.mktemp("mixture")
    draw = random.Random(0)
    text = str(folder / "text.txt")
    lines = [f"{draw.choice(('the cat', 'a dog', 'my bird'))} {draw.choice(('sees', 'sings'))} {draw.random():.2f}" for _ in range(200)]
    Path(text).write_text("".join(f"{line} {line[0]}\n" for line in lines))  # a line's end is its beginning: no trigram sees so far
    sonde.train(text, model="gru", settings={**SPLIT, "model.width": 16}, validation=0.1, epochs=12, batch_size=4, lr=0.02, out=folder / "gru")
    for name, model, settings, validation in (
        ("trigram", "trigram", SPLIT, 0.1),
        ("bigram", "bigram", SPLIT, 0.1),
        ("otherwise-cut", "bigram", {"data.test": 0.3}, 0.1),
        ("uncut", "bigram", SPLIT, 0.0),
        ("words", "bigram", {**SPLIT, "data.tokenizer": "words"}, 0.1),
    ):
        sonde.train(text, task="language-modelling", model=model, settings=settings, validation=validation, out=folder / name)
    return folder


def runs(folder: Path, *names: str) -> list[Run]:
    return [Run.load(folder / name) for name in names]


def test_a_mixture_is_at_least_as_good_as_its_best_on_what_it_was_weighed_by(here: Path) -> None:
    parts = runs(here, "gru", "trigram", "bigram")
    together, weights = mixed(parts)
    assert sum(weights) == pytest.approx(1)
    alone = [run.evaluate(part="validation")["metrics"]["loss"] for run in parts]
    assert together.evaluate(part="validation")["metrics"]["loss"] < min(alone) - 1e-3
    assert parts[0].evaluate(part="validation")["metrics"]["loss"] == alone[0]  # what was mixed is what it was


def test_probabilities_are_averaged_wherever_the_text_is_cut(here: Path) -> None:
    parts = runs(here, "gru", "trigram")
    together, _ = mixed(parts, (0.25, 0.75))
    models = [language_model(run.model) for run in parts]
    tokens = torch.randint(4, 20, (3, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        p = sum(w * model.advance(tokens, None)[0].softmax(-1) for w, model in zip((0.25, 0.75), models, strict=True))
        mixture = language_model(together.model)
        whole, _ = mixture.advance(tokens, None)
        torch.testing.assert_close(whole.exp(), p)
        first, state = mixture.advance(tokens[:, :5], None)
        again, _ = mixture.advance(tokens[:, 5:], state)
        torch.testing.assert_close(torch.cat([first, again], 1), whole)
        order = torch.tensor([2, 0])
        turned, _ = mixture.advance(tokens[order, 5:], reordered(state, order))
        torch.testing.assert_close(turned, again[order])
        torch.testing.assert_close(together.model.network(tokens), whole)


def test_a_model_of_weight_nought_changes_nothing(here: Path) -> None:
    parts = [run.model.network for run in runs(here, "gru", "trigram")]
    tokens = torch.randint(4, 20, (2, 6), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(Mixture(parts, (1.0, 0.0))(tokens).softmax(-1), parts[0].advance(tokens, None)[0].softmax(-1))


def test_mixtures_from_the_command_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    looks = {name: json.loads((here / name / "looks.json").read_text())["test"] for name in ("gru", "trigram")}
    assert main(["evaluate", str(here / "gru"), "--mix", str(here / "trigram"), "--at-most", "loss=9", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"]
    assert {name: json.loads((here / name / "looks.json").read_text())["test"] - looks[name] for name in looks} == {"gru": 1, "trigram": 1}
    weight = found["runs"][1]["weight"]
    assert main(["evaluate", str(here / "gru"), "--mix", str(here / "trigram"), "--part", "validation", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"]["loss"] <= min(each["metrics"]["loss"] for each in found["runs"]) + 1e-6
    assert main(["evaluate", str(here / "gru"), "--mix", f"{here / 'trigram'}={weight}", "--at-most", "loss=0.01"]) == 1
    said = capsys.readouterr().out
    assert "mixed" in said
    assert "is not at most" in said
    capsys.readouterr()
    for more in (["--text", "the cat", "--length", "5"], ["--text", "the c", "--next", "2"]):
        assert main(["predict", str(here / "gru"), "--mix", str(here / "trigram"), *more]) == 0
    assert "the cat" in capsys.readouterr().out
    assert main(["evaluate", str(here / "gru"), "--mix", str(here / "trigram"), "--compare", "sees cat the", "the cat sees", "--json"]) == 0
    assert [each["text"] for each in json.loads(capsys.readouterr().out)["texts"]] == ["the cat sees", "sees cat the"]


def test_what_cannot_be_mixed_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for names, message in (
        (("gru", "words"), "its tokens are not those of"),
        (("gru", "otherwise-cut"), "was not trained on the same text as"),
        (("uncut", "uncut"), "no validation part to choose weights by"),
    ):
        with pytest.raises(RunError, match=message):
            mixed(runs(here, *names))
    mixed(runs(here, "gru", "otherwise-cut"), (0.5, 0.5))  # with weights of one's own nothing is chosen
    gru, trigram = str(here / "gru"), str(here / "trigram")
    for arguments, message in (
        (["evaluate", gru, "--mix", f"{trigram}=1.5"], "'1.5' is no weight over 0 and under 1"),
        (["evaluate", gru, "--mix", f"{trigram}=0.6", f"{here / 'bigram'}=0.5"], "under 1 together"),
        (["evaluate", gru, "--mix", f"{trigram}=0.6", str(here / "bigram")], "or of none"),
        (["evaluate", gru, "--mix", str(here / "nowhere")], "there is no such run"),
        (["evaluate", gru, "--mix", trigram, "--int8"], "--mix and --int8 were both given"),
        (["evaluate", gru, "--mix", trigram, "--at-most", "lost=1"], "no measure 'lost'"),
        (["predict", gru, "--mix", trigram], "--mix is for language models that write"),
        (["predict", gru, "--mix", trigram, "--text", "the", "--int8"], "only models of the BERT family are computed in int8"),
    ):
        assert main(arguments) == 2
        assert message in capsys.readouterr().err
