"""Pairs of whole trainings: 100 updates of each optimiser, schedules, and 50 steps of whole models.

What is compared is where both arrive, so nothing is differentiated here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonde.models import build as build_model
from sonde.ops.losses import cross_entropy as fast_cross_entropy
from sonde.optim import clip as fast_clip
from sonde.optim import optimizers, schedules
from sonde.optim import project as fast_project
from sonde.scratch import losses as scratch_losses
from sonde.scratch import models as scratch_models
from sonde.scratch import optimisers as scratch_optimisers
from sonde.scratch import schedules as scratch_schedules
from sonde.scratch.tensor import Tensor as ScratchTensor
from sonde.verify.cases import draw, whole
from sonde.verify.pair import Array, Case, Pair

STEPS = 100
SCRATCH: dict[str, Callable[..., scratch_optimisers.Optimiser]] = {
    "sgd": scratch_optimisers.SGD,
    "momentum": scratch_optimisers.Momentum,
    "nesterov": scratch_optimisers.Nesterov,
    "adam": scratch_optimisers.Adam,
    "adamw": scratch_optimisers.AdamW,
}
RATES = {"sgd": 0.1, "momentum": 0.02, "nesterov": 0.02, "adam": 0.01, "adamw": 0.01}


def _optimiser(name: str) -> Pair:
    """Both follow −∇ of a bowl with a wave, from the same weights; a matrix that decays and a vector that does not."""

    def gradient(w: Any, b: Any) -> tuple[Any, Any]:
        cosine = torch.cos if isinstance(w, Tensor) else np.cos
        return w * 2.0 + cosine(w * 3.0), b - 1.0

    def scratch(w: Array, b: Array, weight_decay: float, limit: float, radius: float) -> tuple[Array, Array]:
        made = SCRATCH[name](RATES[name], weight_decay=weight_decay)
        weights = {"w": ScratchTensor(w.copy(), requires_grad=True), "b": ScratchTensor(b.copy(), requires_grad=True)}
        for _ in range(STEPS):
            weights["w"].grad, weights["b"].grad = gradient(weights["w"].data, weights["b"].data)
            if limit:
                scratch_optimisers.clip(weights, limit)
            made.step(weights)
            if radius:
                scratch_optimisers.project(weights, radius)
        return weights["w"].data, weights["b"].data

    def fast(w: Tensor, b: Tensor, weight_decay: float, limit: float, radius: float) -> tuple[Tensor, Tensor]:
        model = nn.ParameterDict({"w": nn.Parameter(w.detach().clone()), "b": nn.Parameter(b.detach().clone())})
        optimizer = optimizers.build(name, model, lr=RATES[name], weight_decay=weight_decay)
        for _ in range(STEPS):
            model["w"].grad, model["b"].grad = gradient(model["w"].detach(), model["b"].detach())
            if limit:
                fast_clip.clip(model.parameters(), limit=limit)
            optimizer.step()
            if radius:
                fast_project.project([model["w"]], radius=radius)
        return model["w"].detach(), model["b"].detach()

    inputs = {"w": draw("w", (4, 3)), "b": draw("b", (5,))}
    cases = [
        Case("plain", inputs, {"weight_decay": 0.0, "limit": 0.0, "radius": 0.0}),
        Case("weight decay", inputs, {"weight_decay": 0.1, "limit": 0.0, "radius": 0.0}),
        Case("clipped", inputs, {"weight_decay": 0.0, "limit": 0.5, "radius": 0.0}),
        Case("projected", inputs, {"weight_decay": 0.0, "limit": 0.0, "radius": 0.7}),
        Case("a zero gradient", {"w": np.zeros((2, 2)), "b": np.ones(3)}, {"weight_decay": 0.0, "limit": 1.0, "radius": 0.0}),
    ]
    return Pair(scratch, fast, cases, "sonde.optim, 100 updates", gradients=False)


def sgd() -> Pair:
    """W ← (1 − ηλ)w − ηg."""
    return _optimiser("sgd")


def momentum() -> Pair:
    """V ← βv + g, w ← w − ηv."""
    return _optimiser("momentum")


def nesterov() -> Pair:
    """Momentum with w ← w − η(g + βv)."""
    return _optimiser("nesterov")


def adam() -> Pair:
    """Bias-corrected averages of g and g²."""
    return _optimiser("adam")


def adamw() -> Pair:
    """Adam with decay apart from the gradient."""
    return _optimiser("adamw")


def schedule() -> Pair:
    """Rates over the steps."""

    def both(rate: Callable[..., float]) -> Callable[..., Array]:
        return lambda name, warmup: np.array([rate(name, base=0.3, step=step, steps=40, warmup=warmup) for step in range(40)])

    cases = [
        Case(f"{name}, warm-up {warmup}", {}, {"name": name, "warmup": warmup})
        for name in ("constant", "step", "cosine", "one-cycle")
        for warmup in (0.0, 0.25)
    ]
    return Pair(both(scratch_schedules.rate), both(schedules.rate), cases, "sonde.optim.schedules", gradients=False)


def _model(
    ours: scratch_models.Model, theirs: Callable[[], nn.Module], x: Array, y: Array, *, what: str, lr: float, steps: int = 50
) -> Pair:
    """Weights drawn on the scratch side, moved across by name, `steps` steps of momentum on the same batches."""
    first = {name: w.data for name, w in ours.weights(np.random.default_rng(0)).items()}
    batches = [np.random.default_rng(step).permutation(len(x))[:16] for step in range(steps)]

    def scratch(**weights: Array) -> tuple[Array, ...]:
        own = {name: ScratchTensor(w.copy(), requires_grad=True) for name, w in weights.items()}
        dtype = next(iter(weights.values())).dtype
        optimiser, losses = scratch_optimisers.Momentum(lr), []
        for rows in batches:
            batch = x[rows].astype(dtype) if x.dtype.kind == "f" else x[rows]
            total, n = scratch_losses.cross_entropy(ours.forward(own, batch), y[rows])
            for w in own.values():
                w.grad = None
            (total / n).backward()
            optimiser.step(own)
            losses.append(total.item() / n)
        return (np.array(losses), *(w.data for w in own.values()))

    def fast(**weights: Tensor) -> tuple[Any, ...]:
        model = theirs().to(next(iter(weights.values())).dtype)
        model.load_state_dict({name: w.detach() for name, w in weights.items()})
        optimizer, losses = optimizers.build("momentum", model, lr=lr), []
        dtype = next(model.parameters()).dtype
        for rows in batches:
            batch = torch.from_numpy(x[rows])
            output = model(batch.to(dtype) if batch.is_floating_point() else batch)
            total, n = fast_cross_entropy(output.flatten(0, -2), torch.from_numpy(y[rows]).flatten())
            optimizer.zero_grad()
            (total / n).backward()
            optimizer.step()
            losses.append(float(total.detach()) / n)
        return (np.array(losses), *(model.state_dict()[name] for name in weights))

    return Pair(scratch, fast, [Case(f"{steps} steps", first)], what, gradients=False, dtypes=("float64",))


def softmax_regression_model() -> Pair:
    """One dense layer."""
    x, y = draw("x", (64, 12)), whole("y", (64,), 3)
    return _model(
        scratch_models.softmax_regression(12, 3),
        lambda: build_model("softmax-regression", {"numbers": 12, "outputs": 3}),
        x,
        y,
        what="sonde.models.softmax_regression, 50 steps",
        lr=0.1,
    )


def mlp_model() -> Pair:
    """Two hidden layers."""
    x, y = draw("x", (64, 12)), whole("y", (64,), 3)
    return _model(
        scratch_models.mlp(12, 3, widths=(16, 8)),
        lambda: build_model("mlp", {"numbers": 12, "outputs": 3, "width": (16, 8)}),
        x,
        y,
        what="sonde.models.mlp, 50 steps",
        lr=0.05,
    )


def lenet_model() -> Pair:
    """LeNet with ReLU and max pooling."""
    x, y = draw("x", (48, 1, 28, 28)), whole("y", (48,), 10)
    return _model(
        scratch_models.lenet(),
        lambda: build_model("lenet", {"channels": 1, "size": 28, "classes": 10}),
        x,
        y,
        what="sonde.models.lenet, 50 steps",
        lr=0.01,
    )


def lenet_original_model() -> Pair:
    """LeNet with sigmoids and average pooling."""
    x, y = draw("x", (48, 1, 28, 28)), whole("y", (48,), 10)
    return _model(
        scratch_models.lenet(act="sigmoid", pooling="average"),
        lambda: build_model("lenet-original", {"channels": 1, "size": 28, "classes": 10}),
        x,
        y,
        what="sonde.models.lenet, 50 steps",
        lr=0.1,
    )


def gru_language_model() -> Pair:
    """The next token after each, by a GRU."""
    tokens = whole("tokens", (32, 10), 11)
    return _model(
        scratch_models.gru_language_model(11, width=12, hidden=12),
        lambda: build_model("gru", {"vocabulary": 11, "outputs": 11, "per": "token", "embedding": 12, "width": 12}),
        tokens[:, :-1],
        tokens[:, 1:],
        what="sonde.models.gru, 50 steps",
        lr=0.1,
    )


def transformer_language_model() -> Pair:
    """The next token after each, by a Transformer."""
    tokens = whole("tokens", (32, 10), 11)
    sizes: dict[str, Any] = {"vocabulary": 11, "outputs": 11, "width": 8, "heads": 2, "hidden": 16, "layers": 2, "dropout": 0.0}
    sizes |= {"norm": "post", "positions": "sinusoidal"}
    return _model(
        scratch_models.transformer_language_model(11, width=8, heads=2, hidden=16, depth=2),
        lambda: build_model("transformer-decoder", sizes),
        tokens[:, :-1],
        tokens[:, 1:],
        what="sonde.models.transformer_decoder, 50 steps",
        lr=0.05,
    )


def softmax() -> Pair:
    """exp(oᵢ)/Σ exp(oⱼ), nothing overflowing."""
    from sonde.scratch.attention import masked_softmax

    cases = [
        Case("rows", {"scores": draw("s", (5, 7))}),
        Case("ties", {"scores": np.zeros((2, 3))}),
        Case("large magnitudes", {"scores": draw("s", (4, 4), 1e4)}),
        Case("empty batch", {"scores": np.zeros((0, 3))}),
    ]
    return Pair(masked_softmax, lambda scores: F.softmax(scores, -1), cases)
