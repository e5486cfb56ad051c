"""PyTorch's optimisers without what it wraps around them for the compiler's sake.

`torch.optim` marks making an optimiser, its update, its state and clearing gradients as places where `torch.compile` is to look away, and imports
the whole compiler at the first of these calls to say so: 1.4 s of a training that takes 3, of which nothing is compiled. A step that Sonde does compile is
written with `rules.py` and calls none of these methods. What they do, and the classes to ask for, stay PyTorch's.
"""

from __future__ import annotations

import inspect

import torch


class _Uncompiled(torch.optim.Optimizer):
    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)


class SGD(_Uncompiled, torch.optim.SGD):
    """`torch.optim.SGD`."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.SGD.step))


class Adam(_Uncompiled, torch.optim.Adam):
    """`torch.optim.Adam`."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))


class AdamW(_Uncompiled, torch.optim.AdamW):
    """`torch.optim.AdamW`."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))
