"""rnn, gru and lstm as networks of tokens: state, lengths, both directions, tied weights, and what they refuse."""

from __future__ import annotations

from math import exp
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sonde import models
from sonde.data.batch import Batch
from sonde.errors import RecipeError, UsageError
from sonde.metrics.perplexity import Perplexity
from sonde.nn.recurrent_network import RecurrentNetwork

NAMES = ("rnn", "gru", "lstm")
VOCABULARY, WIDTH = 11, 8


def network(name: str, **values: Any) -> RecurrentNetwork:
    torch.manual_seed(0)
    sizes = {"vocabulary": VOCABULARY, "outputs": VOCABULARY, "per": "token", "width": WIDTH, "layers": 2}
    built = models.build(name, sizes | values)
    assert isinstance(built, RecurrentNetwork)
    return built.double().eval()


def text(rows: int = 3, steps: int = 9) -> Tensor:
    return torch.randint(VOCABULARY, (rows, steps), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", NAMES)
def test_a_text_may_be_cut_anywhere(name: str) -> None:
    model, tokens = network(name), text()
    whole, last = model.advance(tokens, None)
    state, parts = None, []
    for piece in tokens.split([1, 4, 4], dim=1):
        logits, state = model.advance(piece, state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(model(tokens), whole, rtol=1e-12, atol=1e-12)
    assert state is not None
    assert last is not None
    assert all(torch.allclose(a, b) and a.shape == (3, 2, WIDTH) for a, b in zip(state, last, strict=True))
    assert model.carries


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("per", ["token", "sequence"])
def test_padding_changes_nothing(name: str, both: bool, per: str) -> None:
    model = network(name, bidirectional=both, per=per, outputs=3)
    tokens, lengths = text(), torch.tensor([9, 2, 5])
    found = model(tokens, lengths)
    assert found.shape == ((3, 9, 3) if per == "token" else (3, 3))
    longer = model(F.pad(tokens, (0, 4), value=7), lengths)
    for row, length in enumerate(lengths):
        alone = model(tokens[row : row + 1, :length], lengths[row : row + 1])[0]
        for other in (found[row], longer[row]):
            torch.testing.assert_close(other[:length] if per == "token" else other, alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layers", [1, 2])
def test_both_directions_foretell_a_token_from_all_others_and_never_from_itself(name: str, layers: int) -> None:
    model, tokens = network(name, bidirectional=True, layers=layers), text(rows=1)
    before = model.between(tokens)
    assert before.shape == (1, 9, VOCABULARY)
    for place in range(9):
        other = tokens.clone()
        other[0, place] = (other[0, place] + 1) % VOCABULARY
        changed = (model.between(other) != before).any(-1)[0]
        assert not changed[place]
        assert changed.sum() == 8


def test_what_reads_both_ways_cannot_write_on_and_what_reads_forwards_cannot_fill() -> None:
    with pytest.raises(UsageError, match=r"reads in both directions.*cannot write on\n.*fill blanks"):
        network("gru", bidirectional=True).advance(text(), None)
    with pytest.raises(UsageError, match=r"reads forwards alone.*\n.*model.bidirectional=true"):
        network("gru").between(text())
    assert not network("gru", bidirectional=True).carries


@pytest.mark.parametrize("name", NAMES)
def test_characters_are_one_hot_and_many_tokens_have_vectors(name: str) -> None:
    assert network(name).embedding is None
    assert models.build(name, {"vocabulary": 257, "outputs": 257, "width": 4}).embedding.embedding_dim == 4
    assert network(name, embedding=5).embedding is not None
    assert list(network(name).stages) == ["stage1", "stage2", "head"]
    assert list(network(name, embedding=5).stages) == ["stem", "stage1", "stage2", "head"]


def test_tied_weights_are_one_matrix() -> None:
    tied = network("gru", tied=True)
    assert "output.weight" not in tied.state_dict()
    assert tied.embedding is not None
    with torch.no_grad():
        tied.embedding.weight.zero_()
    assert torch.equal(tied(text()), tied.bias.expand(3, 9, VOCABULARY))
    for values, message in (
        ({"embedding": 4}, r"they are 4 and 8 wide\n.*model.embedding=8"),
        ({"bidirectional": True}, r"they are 8 and 16 wide"),
        ({"outputs": 3}, r"there are 3 and 11\n.*for language models"),
    ):
        with pytest.raises(RecipeError, match=message):
            network("gru", tied=True, **values)
    both = network("gru", tied=True, bidirectional=True, embedding=2 * WIDTH)
    assert both.between(text()).shape == (3, 9, VOCABULARY)


@pytest.mark.parametrize(("name", "value"), [("dropout", 1.0), ("width", 0), ("layers", 0)])
def test_sizes_that_make_no_network_are_refused(name: str, value: float) -> None:
    with pytest.raises(RecipeError, match=rf"model\.{name} = {value}.*\n.*give a"):
        network("gru", **{name: value})


def test_a_uniform_model_has_as_much_perplexity_as_there_are_tokens() -> None:
    model = network("rnn")
    with torch.no_grad():
        model.output.weight.zero_()
    tokens = text(steps=10)
    logits = model.advance(tokens[:, :-1], None)[0].detach()
    batch = Batch((tokens[:, :-1],), tokens[:, 1:], torch.arange(27), {"examples": 27.0})
    assert Perplexity().value(Perplexity().state(logits, batch)) == pytest.approx(VOCABULARY, rel=1e-6)
    assert exp(float(F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()))) == pytest.approx(VOCABULARY, rel=1e-12)


def test_a_gru_of_the_paper_is_another_model() -> None:
    after, before = network("gru"), network("gru", reset_after=False)
    before.load_state_dict(after.state_dict())
    assert not torch.allclose(after(text()), before(text()))
