"""Loss functions as (sum, count), so that a batch may be cut in pieces without changing anything.

Each gives the sum over the examples, a 0-d tensor, and their number; the mean is the one divided by the other. With
`weights` (example,) the sum is weighted and the count is the sum of the weights. What is not said to be halved is not:
½, 1/n and 1/2n all occur in the field, and each docstring states its own.
"""

from __future__ import annotations

from typing import Any, Final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

# Stands where nothing is to be predicted: padding, and words that a sentence does not have.
NO_TARGET: Final = -1

Values = Float[Tensor, "example *output"]
Logits = Float[Tensor, "example klass"]
Classes = Int[Tensor, " example"]
Weights = Float[Tensor, " example"] | None
Total = tuple[Tensor, float]


def squared(prediction: Values, target: Values, *, weights: Weights = None) -> Total:
    """½(y − ŷ)², summed over outputs and examples. Gradient ŷ − y."""
    return _over_examples((prediction - target).square() / 2, weights)


def mse(prediction: Values, target: Values, *, weights: Weights = None) -> Total:
    """(y − ŷ)² without ½, the mean over outputs, summed over examples. Gradient 2(ŷ − y)/outputs."""
    return _over_examples((prediction - target).square() / _outputs(prediction), weights)


def mae(prediction: Values, target: Values, *, weights: Weights = None) -> Total:
    """|y − ŷ|, the mean over outputs, summed over examples. Sub-gradient 0 where they are equal."""
    return _over_examples((prediction - target).abs() / _outputs(prediction), weights)


def huber(prediction: Values, target: Values, *, delta: float = 1.0, weights: Weights = None) -> Total:
    """½e² for |e| ≤ δ, δ(|e| − ½δ) beyond (Huber 1964), the mean over outputs, summed over examples."""
    return _over_examples(F.huber_loss(prediction, target, delta=delta, reduction="none") / _outputs(prediction), weights)


def cross_entropy(
    logits: Logits, target: Classes, *, smoothing: float = 0.0, class_weights: Float[Tensor, " klass"] | None = None, weights: Weights = None
) -> Total:
    """−log softmax(o)_y summed over examples, in natural logarithms. Gradient softmax(o) − one-hot(y).

    `smoothing` ε replaces the one-hot target by (1 − ε)·one-hot + ε/classes. `class_weights` multiply each example's loss by
    the weight of its own class, and count so, so that the mean is a weighted one.
    """
    each = F.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)
    if class_weights is not None:
        own = class_weights.to(each)[target]
        weights = own if weights is None else own * weights
    return _over_examples(each, weights)


def one_hot_squared(output: Logits, target: Classes, *, weights: Weights = None) -> Total:
    """½‖o − one-hot(y)‖², summed over examples: least squares for classes, to compare with the cross-entropy."""
    each = (output.square().sum(1) - 2 * output.gather(1, target[:, None])[:, 0] + 1) / 2
    return _over_examples(each, weights)


def binary_cross_entropy(logits: Values, target: Values, *, weights: Weights = None) -> Total:
    """−t·log σ(z) − (1 − t)·log(1 − σ(z)), the mean over outputs, summed over examples. Gradient (σ(z) − t)/outputs."""
    each = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return _over_examples(each / _outputs(logits), weights)


def perceptron_sign(z: Float[Tensor, " example"], labels: Tensor) -> Total:
    """max(0, −y·z) for labels −1 and 1, summed. The sub-gradient −y·x is taken at z = 0 too: an update where y·z ≤ 0."""
    signed = labels.to(z) * z
    # Not relu: its gradient at 0 is 0, and a perceptron that starts at 0 would never start.
    return torch.where(signed <= 0, -signed, 0.0).sum(), float(len(z))


def perceptron_step(z: Float[Tensor, " example"], targets: Tensor) -> Total:
    """−(t − y)·z for targets t in 0 and 1 and the output y = step(z), step(0) = 0, summed. Gradient −(t − y)·x."""
    output = (z.detach() > 0).to(z)
    return -((targets.to(z) - output) * z).sum(), float(len(z))


def margin(logits: Logits, target: Classes, *, distance: Float[Tensor, "klass klass"] | float = 1.0, weights: Weights = None) -> Total:
    """Sum of max over i of Δ(y, i) + oᵢ − o_y with Δ(y, y) = 0: 0 once o_y − oᵢ ≥ Δ(y, i) for every other class i.

    `distance` Δ is one number for all wrong classes, or a matrix [y, i] (Crammer & Singer 2001; Tsochantaridis et al. 2005).
    """
    count = logits.shape[1]
    rows = distance.to(logits)[target] if isinstance(distance, Tensor) else logits.new_full((len(logits), count), distance)
    needed = rows.scatter(1, target[:, None], 0.0)
    each = (needed + logits - logits.gather(1, target[:, None])).amax(1)
    return _over_examples(each, weights)


def token_cross_entropy(
    logits: Float[Tensor, "*place token"], target: Int[Tensor, "*place"], *, smoothing: float = 0.0
) -> tuple[Tensor, Float[Tensor, "*place 2"]]:
    """The cross-entropy summed over all places whose target is not NO_TARGET, and two scores of each place.

    With `smoothing` ε targets are (1 − ε)·one-hot + ε/tokens (Szegedy et al. 2016, section 7). The scores are −ln p of the right token and 1
    where it is the likeliest, else 0; both 0 where the target is missing. They are what measures need of logits that fill the memory.
    """
    logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    total, scores, _ = _TokenCrossEntropy.apply(logits, target, smoothing)
    return total, scores


class _TokenCrossEntropy(torch.autograd.Function):
    """Σ −(1 − ε) ln p_y − ε/V Σᵢ ln pᵢ, whose gradient p − (1 − ε) onehot − ε/V takes the probabilities that the value needed anyway.

    Logits of a vocabulary are the largest tensor of a step, and each reading of them costs: a translator's step of 1,300 tokens over 8,300
    pieces took 0.87 of the time with these passes instead of autograd's.
    """

    @staticmethod
    def forward(logits: Tensor, target: Tensor, smoothing: float) -> tuple[Tensor, Tensor, Tensor]:
        there, place = target != NO_TARGET, target.clamp(min=0)[..., None]
        p = logits.softmax(-1)
        highest, right = logits.amax(-1), logits.gather(-1, place)[..., 0]
        rest = highest - p.amax(-1).log()  # ln Σ exp o: the largest p is 1/Σ exp(o − max)
        nats = (rest - right) * there
        total = nats.sum()
        if smoothing:
            total = (1 - smoothing) * total + smoothing * ((rest - logits.mean(-1)) * there).sum()
        return total, torch.stack([nats, ((right >= highest) & there).to(nats.dtype)], dim=-1), p

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: tuple[Tensor, Tensor, Tensor]) -> None:
        _, target, smoothing = inputs
        _, scores, p = output
        ctx.mark_non_differentiable(scores, p)
        ctx.save_for_backward(p, target)
        ctx.smoothing = smoothing

    @staticmethod
    def backward(ctx: Any, above: Tensor, *others: Tensor) -> tuple[Tensor, None, None]:
        p, target = ctx.saved_tensors
        smoothing: float = ctx.smoothing
        weight = (above * (target != NO_TARGET))[..., None].to(p.dtype)
        gradient = p * weight
        if smoothing:
            gradient -= weight * (smoothing / p.shape[-1])
        gradient.scatter_add_(-1, target.clamp(min=0)[..., None], (smoothing - 1) * weight)
        return gradient, None, None


def _over_examples(each: Tensor, weights: Tensor | None) -> Total:
    if weights is None:
        return each.sum(), float(len(each))
    by_example = each.flatten(1).sum(1) if each.ndim > 1 else each
    return (by_example * weights).sum(), float(weights.sum())


def _outputs(values: Tensor) -> int:
    return max(values[0].numel(), 1) if len(values) else 1
