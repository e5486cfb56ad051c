"""The focal loss: what is told well already hardly counts, so that a thousand easy places of background do not drown one object."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def focal(logits: Float[Tensor, "*n"], targets: Float[Tensor, "*n"], *, gamma: float = 2.0) -> Float[Tensor, "*n"]:
    """|t − σ(z)|^γ times the binary cross-entropy of z with t, for each number.

    With targets of 0 and 1 it is (1 − p_t)^γ · −log p_t (Lin et al. 2017, "Focal loss for dense object detection", section 3.2, without α);
    targets between them are the quality of a box (Li et al. 2020, "Generalized focal loss", section 3.1). γ = 0 is the cross-entropy itself.
    """
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return losses if gamma == 0 else losses * (targets - logits.sigmoid()).abs().pow(gamma)
