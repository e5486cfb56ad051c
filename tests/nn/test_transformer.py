"""Facts of the Transformer's parts: layer norm, feed-forward, heads, dropout and caches."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sonde.nn.attention import MultiHeadAttention, attention_of
from sonde.nn.positions import Positions
from sonde.nn.transformer import BlockSize, EncoderBlock


def test_layer_norm_of_two_rows() -> None:
    norm = nn.LayerNorm(2, eps=1e-12)
    torch.testing.assert_close(norm(torch.tensor([[1.0, 2.0], [3.0, 6.0]])), torch.tensor([[-1.0, 1.0], [-1.0, 1.0]]), rtol=0, atol=1e-6)


def test_feed_forward_is_two_convolutions_of_width_1() -> None:
    torch.manual_seed(0)
    block = EncoderBlock(BlockSize(6, 2, 10, norm_first=True)).double().eval()
    x = torch.randn(3, 5, 6, dtype=torch.float64)
    nn.init.zeros_(block.self_attn.out_proj.weight)  # the block is x + ffn(norm₂(x)) now
    hidden = F.conv1d(block.norm2(x).transpose(1, 2), block.linear1.weight[:, :, None], block.linear1.bias).relu()
    expected = x + F.conv1d(hidden, block.linear2.weight[:, :, None], block.linear2.bias).transpose(1, 2)
    torch.testing.assert_close(block(x)[0], expected)


def test_attention_is_torchs_with_its_weights() -> None:
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(8, 2).double(), nn.MultiheadAttention(8, 2, batch_first=True).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    later = torch.ones(5, 5, dtype=torch.bool).triu(1)
    expected, weights = theirs(x, x, x, attn_mask=later, average_attn_weights=False)
    with attention_of(ours) as seen:
        torch.testing.assert_close(ours(x, causal=True)[0], expected)
    torch.testing.assert_close(seen[""], weights)


@pytest.mark.parametrize("recorded", [True, False], ids=["gradients", "in place"])
@pytest.mark.parametrize("width", [8, 80], ids=["narrow heads", "wide heads"])
def test_a_block_with_a_past_gives_what_one_call_gives(width: int, recorded: bool) -> None:
    torch.manual_seed(0)
    block = EncoderBlock(BlockSize(width, 2, 16)).double().eval()
    x = torch.randn(3, 24, width, dtype=torch.float64)
    positions = Positions("rotary", width=width, head=width // 2, length=24)
    expected, none = block(x, causal=True, turn=positions.turn(x))
    assert none is None
    past, parts, place = block.self_attn.no_past(3), [], 0
    with torch.set_grad_enabled(recorded):
        for steps in (4, 1, 1, 3, 1, 14):
            piece = x[:, place : place + steps]
            y, past = block(piece, causal=True, turn=positions.turn(piece, place), past=past)
            parts.append(y)
            place += steps
    torch.testing.assert_close(torch.cat(parts, dim=1), expected)
    assert past.length == 24
    assert parts[-1].requires_grad is recorded


def test_dropout_is_unbiased_and_of_training_alone() -> None:
    torch.manual_seed(0)
    layer = MultiHeadAttention(4, 1, drop=0.5).double()
    x = torch.randn(1, 6, 4, dtype=torch.float64)
    still = layer.eval()(x)[0]
    layer.train()
    several = torch.stack([layer(x)[0] for _ in range(2_000)])
    assert not torch.equal(several[0], several[1])
    torch.testing.assert_close(several.mean(0), still, rtol=0, atol=0.1)
