"""What a language model writes: from Python and from the command line, as it comes, and where it stops."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import sonde
from sonde.cli.main import main
from sonde.data.prepare.tokenizers import fit_tokenizer
from sonde.errors import UsageError
from sonde.nn.sequence import language_model
from sonde.run import Run
from sonde.writing import Manner, continued, filled, likelihoods, next_tokens, whole

VERSE = "one two three four five six\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A model that knows one line by heart."""
    folder = tmp_path_factory.mktemp("text")
    (folder / "verse.txt").write_text(VERSE * 60)
    settings = {"task.steps": 28, "model.width": 48}
    return sonde.train(
        str(folder / "verse.txt"), model="gru", settings=settings, epochs=20, batch_size=8, optimizer="adam", lr=0.02, out=folder / "run"
    )


def test_what_it_learned_is_what_it_writes(run: Run) -> None:
    assert run.metrics["perplexity"] < 1.3
    assert whole(continued(run, "one two", Manner(length=30))) == " three four five six\none two th"[:30]


def test_pieces_come_one_by_one_and_add_up(run: Run) -> None:
    pieces = list(continued(run, "one", Manner(length=12)))
    assert len(pieces) > 1
    assert "".join(pieces) == " two three f"


def test_text_ends_before_a_stop_even_one_of_several_tokens(run: Run) -> None:
    assert whole(continued(run, "one", Manner(length=50, stop=("three", "zebra")))) == " two "
    assert whole(continued(run, "one", Manner(length=50, stop=("\n",)))) == " two three four five six"


def test_stops_and_characters_of_several_tokens_come_as_from_the_whole_text(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of bytes, some of which are halves of characters, and stops that several tokens make up."""
    tokenizer = fit_tokenizer("bpe", ["plain text"], {})
    tokens = tokenizer.encode(["Zürich, 東京 and so on. Stop here."])[0].tolist()
    monkeypatch.setattr("sonde.writing._writer", lambda _: (language_model(run.model), tokenizer))
    monkeypatch.setattr("sonde.writing._prompt", lambda *_: (torch.tensor([[4]]), tokenizer.encode(["In "])[0].tolist()))
    monkeypatch.setattr("sonde.writing.steps", lambda *_args, length, **_kwargs: iter([torch.tensor([token]) for token in tokens[:length]]))
    for stop in ((), ("京",), (" so on", "xyz"), ("Stop",), ("zzz",)):
        for length in range(1, len(tokens) + 1):
            text = tokenizer.decode(tokens[:length])
            places = [text.find(word) for word in stop if word in text]
            assert whole(continued(run, "", Manner(length=length, stop=stop))) == (text[: min(places)] if places else text)
    pieces = list(continued(run, "", Manner(length=len(tokens))))
    assert len(pieces) > 10
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)


def test_draws_repeat_with_their_seed(run: Run) -> None:
    hot = [whole(continued(run, "one", Manner(length=40, temperature=3.0, seed=seed))) for seed in (1, 1, 2)]
    assert hot[0] == hot[1] != hot[2]
    assert whole(continued(run, "one", Manner(length=12, temperature=3.0, top_k=1))) == " two three f"


def test_a_beam_writes_too(run: Run) -> None:
    assert whole(continued(run, "one", Manner(length=12, beam=3))) == " two three f"


def test_next_tokens_have_probabilities_in_order(run: Run) -> None:
    found = next_tokens(run, "one tw", 3)
    assert found[0][0] == "o"
    assert [p for _, p in found] == sorted((p for _, p in found), reverse=True)
    assert sum(p for _, p in next_tokens(run, "one tw", 10_000)) == pytest.approx(1, abs=1e-5)


def test_texts_are_ranked_by_probability(run: Run) -> None:
    likely, unlikely, unknown = likelihoods(run, ["one two three", "eno owt eerht", "one two ß"])
    assert likely.log_probability > unlikely.log_probability
    assert likely.perplexity < 1.5 < unlikely.perplexity
    assert (likely.unknown, unknown.unknown) == (0, 1)
    assert likely.characters == likely.tokens == len("one two three")


def test_the_command_line_writes_ranks_and_shows(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(run.path)
    assert main(["predict", path, "--text", "one two", "--length", "6"]) == 0
    assert capsys.readouterr().out == "one two three\n"
    assert main(["predict", path, "--text", "one two", "--length", "6", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["texts"] == [{"text": "one two", "continued": " three"}]
    assert main(["predict", path, "--text", "one tw", "--next", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["texts"][0]["next"][0]["token"] == "o"
    assert main(["evaluate", path, "--compare", "eno owt", "one two", "--json"]) == 0
    assert [row["text"] for row in json.loads(capsys.readouterr().out)["texts"]] == ["one two", "eno owt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text", "a", "--temperature", "-1"], "--temperature -1 is not 0 or more"),
        (["--text", "a", "--top-p", "0"], "--top-p 0 is not above 0 and at most 1"),
        (["--text", "a", "--length", "0"], "--length 0 is not a whole number of at least 1"),
        (["--text", "a", "--beam", "3", "--temperature", "1"], "a beam search takes the likeliest text, and --temperature draws"),
        (["file.txt", "--text", "a"], "files and --text were both given"),
    ],
)
def test_flags_that_mean_nothing(run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert main(["predict", str(run.path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_run_that_does_not_write(tmp_path: Path) -> None:
    other = sonde.train("views", out=tmp_path / "run")
    with pytest.raises(UsageError, match="this run does forecasting, and only a language model writes"):
        whole(continued(other, "a", Manner()))
    with pytest.raises(UsageError, match="only a language model writes"):
        likelihoods(other, ["a"])


@pytest.fixture(scope="module", params=["characters", "words"])
def both_ways(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A model that reads both ways and knows two lines by heart."""
    folder = tmp_path_factory.mktemp("both")
    (folder / "verse.txt").write_text("i am not very hungry\nyou are still quite tired\n" * 40)
    settings = {"task.steps": 20, "model.width": 32, "model.bidirectional": True}
    return sonde.train(
        str(folder / "verse.txt"),
        model="gru",
        settings=settings,
        tokenizer=request.param,
        epochs=8,
        batch_size=4,
        optimizer="adam",
        lr=0.02,
        out=folder / "run",
    )


def test_a_model_that_reads_both_ways_fills_blanks_and_refuses_to_write(
    both_ways: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = filled(both_ways, "i am ___ very hungry\nyou are")
    assert found.filled == "i am not very hungry\nyou are"
    assert len(found.probabilities) == (3 if both_ways.preparation.tokenizer.name == "characters" else 1)
    assert min(found.probabilities) > 0.3
    with pytest.raises(UsageError, match=r"cannot write on\n.*I am ___ very hungry"):
        whole(continued(both_ways, "i am", Manner()))
    with pytest.raises(UsageError, match=r"'i am' has no blank\n.*___"):
        filled(both_ways, "i am")
    assert main(["predict", str(both_ways.path), "--text", "you are ___ quite", "--json"]) == 0
    assert "___" not in json.loads(capsys.readouterr().out)["texts"][0]["filled"]


def test_a_model_that_reads_forwards_fills_no_blanks(run: Run) -> None:
    with pytest.raises(UsageError, match=r"forwards alone.*\n.*model.bidirectional=true"):
        filled(run, "one ___ three")
