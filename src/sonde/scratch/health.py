"""A watch over training: how large signals and gradients are in each layer, and one step of a small model in every number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy.typing as npt

from sonde.scratch.losses import Total
from sonde.scratch.models import Model
from sonde.scratch.reverse import history
from sonde.scratch.rules import ROWS
from sonde.scratch.stability import layer_scales
from sonde.scratch.tensor import Tensor, gradients

Array = npt.NDArray[Any]


def scales(model: Model, weights: Mapping[str, Tensor], x: Array, y: Array, loss: Callable[[Tensor, Array], Total]) -> list[dict[str, Any]]:
    """Root mean squares of each layer's output, of the gradient of one example's own loss with respect to it, and of its weight.

    In the order in which the layers are called; a layer is here what has a weight by that name. Layers without an output of their
    own in the graph, such as recurrent ones, are left out.
    """
    total, n = loss(model.forward(weights, x), y)
    found = layer_outputs(total, weights)
    slopes = gradients(total / n, list(found.values())) if found else []
    layers = {name: (h.data, g.data, weights[f"{name}.weight"].data) for (name, h), g in zip(found.items(), slopes, strict=True)}
    return [asdict(layer) for layer in layer_scales(layers, examples=len(x))]


def layer_outputs(result: Tensor, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The node of the recorded graph of `result` that each layer gives: the last one that its weight or its bias goes into."""
    layers = {name.removesuffix(".weight") for name in weights if name.endswith(".weight")}
    owner = {weights[name]._serial: name.rpartition(".")[0] for name in weights if name.rpartition(".")[0] in layers}
    found: dict[str, Tensor] = {}
    for node in history(result):
        of = {owner[each._serial] for each in node._inputs if each._serial in owner}
        if len(of) == 1 and ROWS[node._op].view:  # a parameter in another shape is still that parameter
            owner[node._serial] = of.pop()
        elif of:
            found.update((layer, node) for layer in of)
    return dict(sorted(found.items(), key=lambda each: each[1]._serial))


def trace(weights: Mapping[str, Tensor], x: Array, y: Array, output: Tensor, loss: float, step: int) -> dict[str, Any]:
    """One step as a student would write it down, before the weights move: their new values are for the loop to add."""
    logits = output.data
    answer = (logits > 0).astype(int).squeeze(1) if logits.shape[1] == 1 else logits.argmax(1)
    told = {"inputs": x, "targets": y, "logits": logits, "output": answer}
    gradient = {name: None if w.grad is None else w.grad.tolist() for name, w in weights.items()}
    return {"event": "trace", "step": step, **{name: value.tolist() for name, value in told.items()}, "loss": loss, "gradient": gradient}


def values(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Every weight as plain numbers."""
    return {name: w.data.tolist() for name, w in weights.items()}
