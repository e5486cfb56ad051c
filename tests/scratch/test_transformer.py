"""The Transformer's blocks against PyTorch's, and the facts of masked, cached and position-wise computation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scratch.layer_parity import compare
from sonde.scratch.attention import causal_mask, length_mask
from sonde.scratch.convolution import conv1d
from sonde.scratch.layer_norm import layer_norm
from sonde.scratch.tensor import Tensor, concatenate
from sonde.scratch.transformer import Cache, decoder_block, encoder_block, feed_forward

D, HEADS, HIDDEN = 8, 2, 12


def module(kind: type[torch.nn.Module], *, norm_first: bool = False) -> torch.nn.Module:
    return kind(D, HEADS, HIDDEN, dropout=0.0, batch_first=True, norm_first=norm_first)


def weights_of(model: torch.nn.Module, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights under the module's own names (its own would have biases of 0, which hide mistakes)."""
    rng = np.random.default_rng(seed)
    return {name: 0.5 * rng.standard_normal(value.shape) for name, value in model.state_dict().items()}


ENCODER = weights_of(module(torch.nn.TransformerEncoderLayer))
DECODER = weights_of(module(torch.nn.TransformerDecoderLayer))


def data(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize(("batch", "steps"), [(2, 5), (3, 1), (0, 4)])
@pytest.mark.parametrize("causal", [False, True])
def test_the_encoder_block_agrees_with_pytorch(norm_first: bool, batch: int, steps: int, causal: bool) -> None:
    fast, mask = module(torch.nn.TransformerEncoderLayer, norm_first=norm_first), causal_mask(steps) if causal else None
    forbidden = torch.tensor(~mask) if mask is not None else None
    compare(
        lambda x, *w: encoder_block(x, dict(zip(ENCODER, w, strict=True)), heads=HEADS, mask=mask, norm_first=norm_first),
        lambda x, *w: torch.func.functional_call(fast, dict(zip(ENCODER, w, strict=True)), (x,), {"src_mask": forbidden}),
        data(batch, steps, D),
        *ENCODER.values(),
    )


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize(("batch", "steps", "keys"), [(2, 5, 3), (3, 1, 1), (0, 4, 2)])
def test_the_decoder_block_agrees_with_pytorch(norm_first: bool, batch: int, steps: int, keys: int) -> None:
    fast, lengths = module(torch.nn.TransformerDecoderLayer, norm_first=norm_first), np.arange(batch) % keys + 1
    seen = length_mask(lengths, keys)
    masks = {"tgt_mask": torch.tensor(~causal_mask(steps))}
    if batch:  # PyTorch cannot take a padding mask of an empty batch
        masks["memory_key_padding_mask"] = torch.tensor(~seen[:, 0])
    compare(
        lambda x, m, *w: decoder_block(x, m, dict(zip(DECODER, w, strict=True)), heads=HEADS, memory_mask=seen, norm_first=norm_first),
        lambda x, m, *w: torch.func.functional_call(fast, dict(zip(DECODER, w, strict=True)), (x, m), masks),
        data(batch, steps, D),
        data(batch, keys, D, seed=2),
        *DECODER.values(),
    )


def test_an_output_does_not_change_when_later_tokens_do() -> None:
    x, memory = data(2, 6, D), data(2, 3, D, seed=2)
    changed = x.copy()
    changed[:, 4:] += 100
    for one, other in (
        (encoder_block(x, ENCODER, heads=HEADS, mask=causal_mask(6)), encoder_block(changed, ENCODER, heads=HEADS, mask=causal_mask(6))),
        (decoder_block(x, memory, DECODER, heads=HEADS), decoder_block(changed, memory, DECODER, heads=HEADS)),
    ):
        np.testing.assert_array_equal(one.data[:, :4], other.data[:, :4])
        assert np.abs(one.data[:, 4:] - other.data[:, 4:]).max() > 1e-3


def test_cached_decoding_gives_what_decoding_the_whole_gives() -> None:
    x, memory = data(2, 6, D), data(2, 3, D, seed=2)
    cache: Cache = {}
    pieces = [decoder_block(x[:, cut], memory, DECODER, heads=HEADS, cache=cache) for cut in (slice(0, 3), slice(3, 4), slice(4, 6))]
    np.testing.assert_allclose(concatenate(pieces, axis=1).data, decoder_block(x, memory, DECODER, heads=HEADS).data, rtol=0, atol=1e-13)
    assert cache["key"].shape == (2, HEADS, 6, D // HEADS)
    own: Cache = {}
    pieces = [encoder_block(x[:, i : i + 1], ENCODER, heads=HEADS, cache=own) for i in range(6)]
    whole = encoder_block(x, ENCODER, heads=HEADS, mask=causal_mask(6))
    np.testing.assert_allclose(concatenate(pieces, axis=1).data, whole.data, rtol=0, atol=1e-13)


def test_without_positions_the_encoder_knows_no_order() -> None:
    x, order = data(1, 5, D), [3, 1, 4, 0, 2]
    np.testing.assert_allclose(
        encoder_block(x[:, order], ENCODER, heads=HEADS).data, encoder_block(x, ENCODER, heads=HEADS).data[:, order], atol=1e-13
    )


def test_feed_forward_is_two_convolutions_of_width_one() -> None:
    x = data(2, 5, D)
    hidden = conv1d(x.swapaxes(1, 2), ENCODER["linear1.weight"][..., None], ENCODER["linear1.bias"]).relu()
    y = conv1d(hidden, ENCODER["linear2.weight"][..., None], ENCODER["linear2.bias"])
    np.testing.assert_allclose(feed_forward(x, ENCODER).data, y.data.swapaxes(1, 2), rtol=0, atol=1e-13)


def test_layer_norm_of_the_course_example() -> None:
    np.testing.assert_allclose(layer_norm(np.array([[1.0, 2], [3, 6]]), eps=1e-12).data, [[-1, 1], [-1, 1]], atol=1e-10)


def test_dropout_draws_only_with_a_generator() -> None:
    x = data(2, 5, D)
    whole = encoder_block(x, ENCODER, heads=HEADS, drop=0.5)
    dropped = encoder_block(x, ENCODER, heads=HEADS, drop=0.5, rng=np.random.default_rng(0))
    again = encoder_block(x, ENCODER, heads=HEADS, drop=0.5, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(whole.data, encoder_block(x, ENCODER, heads=HEADS).data)
    np.testing.assert_array_equal(dropped.data, again.data)
    assert np.abs(dropped.data - whole.data).max() > 1e-3


def test_a_sentence_of_padding_alone_stays_finite() -> None:
    x = Tensor(data(2, 4, D), requires_grad=True)
    y = encoder_block(x, ENCODER, heads=HEADS, mask=length_mask(np.array([0, 3]), 4))
    y.sum().backward()
    assert np.isfinite(y.data).all() and x.grad is not None and np.isfinite(x.grad).all()
