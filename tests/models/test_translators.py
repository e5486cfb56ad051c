"""Encoder–decoders, recurrent and Transformer: padding, causality, caches, and where the decoder starts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sonde import models
from sonde.errors import RecipeError
from sonde.nn.attention import attention_of
from sonde.nn.sequence import Translator, rows_of
from sonde.ops.beam_search import beam_search
from sonde.ops.decode import generate, reordered

SOURCE, TARGET = 11, 9
CHOICES: list[tuple[str, dict[str, Any]]] = [
    ("transformer", {"heads": 2, "layers": 2}),
    ("transformer", {"heads": 2, "layers": 1, "norm": "post", "positions": "rotary", "tied": "none"}),
    ("transformer", {"heads": 1, "layers": 1, "positions": "learned", "length": 12}),
    ("transformer", {"heads": 1, "layers": 1, "width": 34}),  # heads too wide for rows along the last axis
    *((f"seq2seq-{cell}{attention}", {"hidden": 6}) for cell in ("rnn", "gru", "lstm") for attention in ("", "-attention")),
    ("seq2seq-gru-attention", {"attention": "dot", "hidden": 6}),
]
EACH = pytest.mark.parametrize(("name", "sizes"), CHOICES, ids=[f"{name}-{number}" for number, (name, _) in enumerate(CHOICES)])


def build(name: str, sizes: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    return models.build(name, {"vocabulary": SOURCE, "outputs": TARGET, "width": 8, "dropout": 0.0} | sizes).double().eval()


def sentences() -> tuple[Tensor, Tensor, Tensor]:
    """Sources (3, 6) with their lengths, and targets (3, 5)."""
    generator = torch.Generator().manual_seed(1)
    source = torch.randint(4, SOURCE, (3, 6), generator=generator)
    return source, torch.tensor([6, 2, 4]), torch.randint(2, TARGET, (3, 5), generator=generator)


@EACH
def test_padding_changes_nothing(name: str, sizes: dict[str, Any]) -> None:
    model = build(name, sizes)
    source, lengths, target = sentences()
    expected = model(source, lengths, target)
    longer = torch.cat([source, torch.full((3, 3), 7)], dim=1)
    torch.testing.assert_close(model(longer, lengths, target), expected, rtol=1e-12, atol=1e-12)
    for row, length in enumerate(lengths.tolist()):
        alone = model(source[row : row + 1, :length], lengths[row : row + 1], target[row : row + 1])
        torch.testing.assert_close(alone[0], expected[row], rtol=1e-12, atol=1e-12)


@EACH
def test_an_output_does_not_depend_on_later_tokens(name: str, sizes: dict[str, Any]) -> None:
    model = build(name, sizes)
    source, lengths, target = sentences()
    expected = model(source, lengths, target)
    changed = target.clone()
    changed[:, 3:] = (changed[:, 3:] + 1) % TARGET
    found = model(source, lengths, changed)
    torch.testing.assert_close(found[:, :3], expected[:, :3], rtol=0, atol=1e-14)
    assert not torch.allclose(found[:, 3:], expected[:, 3:])


@EACH
def test_with_the_state_of_the_steps_before_a_step_is_what_it_is_in_one_call(name: str, sizes: dict[str, Any]) -> None:
    model = build(name, sizes)
    assert isinstance(model, Translator)
    source, ragged, target = sentences()
    for lengths in (ragged, torch.full_like(ragged, source.shape[1])):
        expected = model(source, lengths, target)
        state, parts = model.encode(source, lengths), []
        for begin, end in ((0, 1), (1, 2), (2, 5)):
            logits, state = model.advance(target[:, begin:end], state)
            parts.append(logits)
        torch.testing.assert_close(torch.cat(parts, dim=1), expected, rtol=1e-12, atol=1e-12)


@EACH
def test_states_can_be_put_in_another_order_and_cut(name: str, sizes: dict[str, Any]) -> None:
    model = build(name, sizes)
    source, lengths, target = sentences()
    expected = model(source, lengths, target)
    order = torch.tensor([2, 0, 0])
    _, state = model.advance(target[:, :2], model.encode(source, lengths))
    again, _ = model.advance(target[order, 2:], reordered(state, order))
    torch.testing.assert_close(again, expected[order, 2:], rtol=1e-12, atol=1e-12)
    one, _ = model.advance(target[1:2, 2:], rows_of(state, 1, 2))
    torch.testing.assert_close(one, expected[1:2, 2:], rtol=1e-12, atol=1e-12)


@EACH
def test_what_is_written_is_what_is_written_without_a_cache(name: str, sizes: dict[str, Any]) -> None:
    """Over more steps than room is made for at first, greedy and by beams, whose rows change places."""
    model = build(name, sizes | {"length": 40} if name == "transformer" else sizes)
    source, lengths, _ = sentences()
    begin = torch.full((3, 1), 2)

    def from_the_start(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        row, said = (torch.arange(3), tokens) if state is None else (state[0], torch.cat([state[1], tokens], dim=1))
        return model(source[row], lengths[row], said)[:, -1:], (row, said)

    state = model.encode(source, lengths)
    greedy = generate(model.advance, begin, state, length=36, end=-1)
    assert torch.equal(greedy, generate(from_the_start, begin, None, length=36, end=-1))
    assert torch.equal(greedy, generate(model.advance, begin, state, length=36, end=-1))  # the state is what it was
    found = beam_search(model.advance, begin, state, width=3, length=20, end=3)
    expected = beam_search(from_the_start, begin, None, width=3, length=20, end=3)
    assert torch.equal(found.tokens, expected.tokens)
    torch.testing.assert_close(found.scores, expected.scores, rtol=1e-10, atol=1e-12)


@EACH
def test_training_gives_the_same_logits_and_carries_nothing(name: str, sizes: dict[str, Any]) -> None:
    model = build(name, sizes)
    source, lengths, target = sentences()
    expected = model(source, lengths, target)
    model.train()
    logits, state = model.advance(target, model.encode(source, lengths))
    assert state is None
    torch.testing.assert_close(logits, expected, rtol=1e-12, atol=1e-12)
    logits.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_encoders_last_real_state_starts_the_decoder(cell: str) -> None:
    model = build(f"seq2seq-{cell}", {"hidden": 6, "layers": 2})
    source, lengths, _ = sentences()
    started = model.encode(source, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = model.encode(source[row : row + 1, :length], torch.tensor([length]))
        for ours, theirs in zip(rows_of(started, row, row + 1) or (), alone, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@EACH
def test_attention_can_be_looked_at_and_never_falls_on_padding(name: str, sizes: dict[str, Any]) -> None:
    model = build(name, sizes)
    source, lengths, target = sentences()
    expected = model(source, lengths, target)
    with attention_of(model) as seen:
        torch.testing.assert_close(model(source, lengths, target), expected, rtol=1e-12, atol=1e-12)
    if name in ("seq2seq-rnn", "seq2seq-gru", "seq2seq-lstm"):
        assert not seen
        return
    (alignment,) = [weights for layer, weights in seen.items() if layer in ("attention", "decoder.0.multihead_attn")]
    assert alignment.shape[-2:] == (5, 6)
    torch.testing.assert_close(alignment.sum(-1), torch.ones_like(alignment[..., 0]))
    assert not alignment[1, ..., 2:].any()
    assert not any(layer.seen for layer in model.modules() if hasattr(layer, "seen"))


def test_a_shared_embedding_needs_a_shared_vocabulary() -> None:
    with pytest.raises(RecipeError, match=r"the source has 11 pieces, the target 9\n.*task\.shared=true"):
        build("transformer", {"tied": "all", "heads": 2})
    shared = build("transformer", {"tied": "all", "heads": 2, "layers": 1, "outputs": SOURCE})
    assert "source_embedding.weight" not in shared.state_dict()
    source, lengths, target = sentences()
    assert shared(source, lengths, target).shape == (3, 5, SOURCE)


def test_heads_that_do_not_fit_the_width_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"a width of 8 cannot be cut into 3 heads\n.*model\.heads that divides"):
        build("transformer", {"heads": 3})
    with pytest.raises(RecipeError, match=r"heads 1 wide leave one without its pair"):
        build("transformer", {"heads": 8, "positions": "rotary"})


def test_learned_positions_end_and_say_so() -> None:
    model = build("transformer", {"heads": 2, "layers": 1, "positions": "learned", "length": 6})
    source, lengths, _ = sentences()
    with pytest.raises(ValueError, match="position 7 was asked for, and 6 positions were learned"):
        model(source, lengths, torch.full((3, 7), 5))
