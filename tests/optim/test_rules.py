"""The update rules as arithmetic against PyTorch's optimisers, from the same states."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from sonde.optim import optimizers
from sonde.optim.rules import prepare_state, rule_of


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_a_hundred_updates_are_pytorchs(name: str, weight_decay: float) -> None:
    torch.manual_seed(0)
    model = nn.Linear(5, 3).double()
    twin = copy.deepcopy(model)
    optimizer = optimizers.build(name, model, lr=0.05, weight_decay=weight_decay)
    mirrored = optimizers.build(name, twin, lr=0.05, weight_decay=weight_decay)
    rule = rule_of(mirrored)
    prepare_state(mirrored)
    for step in range(100):
        rate = 0.05 / (1 + step)
        for p in model.parameters():
            p.grad = torch.randn(p.shape, dtype=p.dtype, generator=torch.Generator().manual_seed(step))
        for group, other in zip(optimizer.param_groups, mirrored.param_groups, strict=True):
            group["lr"] = rate
            for w, g in zip(other["params"], group["params"], strict=True):
                rule(w.data, g.grad, mirrored.state[w], torch.tensor(rate, dtype=torch.float64), other)
        optimizer.step()
    for ours, theirs in zip(twin.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
        for key, value in optimizer.state[theirs].items():
            torch.testing.assert_close(mirrored.state[ours][key], value, rtol=0, atol=1e-12)
    # A state that one of them has written continues with the other.
    mirrored.load_state_dict(optimizer.state_dict())
    mirrored.step()
