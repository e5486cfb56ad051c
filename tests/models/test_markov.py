"""A window over the last tokens: what lies before it has no say, and windows of a batch lose nothing."""

from __future__ import annotations

import pytest
import torch

from sonde.errors import RecipeError
from sonde.models.markov import VARIANTS, Config, Markov, build


def make(window: int = 3, depth: int = 1) -> Markov:
    torch.manual_seed(0)
    return build(Config(vocabulary=11, outputs=11, window=window, embedding=5, depth=depth, width=6)).double().eval()


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_only_the_last_tokens_count(depth: int) -> None:
    model, said = make(depth=depth), torch.tensor([[1, 2, 3, 4, 5, 6]])
    other = said.clone()
    other[0, 2] = 9
    one, two = model.advance(said, None)[0], model.advance(other, None)[0]
    assert torch.equal(one[:, :2], two[:, :2])
    assert not torch.isclose(one[:, 2:5], two[:, 2:5]).all(-1).any()
    assert torch.equal(one[:, 5], two[:, 5])


@pytest.mark.parametrize("window", [1, 2, 5])
@pytest.mark.parametrize("cut", [0, 1, 4, 6])
def test_a_text_may_be_cut_anywhere(window: int, cut: int) -> None:
    model, said = make(window), torch.randint(11, (2, 6), generator=torch.Generator().manual_seed(1))
    whole, _ = model.advance(said, None)
    first, state = model.advance(said[:, :cut], None)
    assert state is not None
    assert state[0].shape == (2, window - 1)
    torch.testing.assert_close(torch.cat([first, model.advance(said[:, cut:], state)[0]], 1), whole)


def test_without_hidden_layers_it_is_linear_in_its_vectors() -> None:
    model, said = make(depth=0), torch.tensor([[1, 2, 3]])
    before = model.advance(said, None)[0]
    with torch.no_grad():
        model.embedding.weight.mul_(2)
    after = model.advance(said, None)[0]
    torch.testing.assert_close(after - model.output.bias, 2 * (before - model.output.bias))


def test_values_without_a_model() -> None:
    assert set(VARIANTS) == {"markov-linear", "markov-mlp"}
    with pytest.raises(RecipeError, match="no Markov model of 0 tokens"):
        build(Config(vocabulary=3, outputs=3, window=0))
