"""N-gram language models: unigrams, bigrams, trigrams …, by counting.

With n(h, w) the number of times that w followed the context h, n(h) = Σ_w n(h, w), and h⁻ the context h without its first
token, P(w | nothing) on the right of the unigrams being 1/V:

    kneser-ney   P(w | h) = max(n(h, w) − D, 0)/n(h) + D · N₁₊(h, •)/n(h) · P(w | h⁻)

where below the highest order n(h, w) counts in how many different contexts h w occurs, not how often (Kneser and Ney 1995; the
interpolated form of Chen and Goodman 1998, section 2.7), D = n₁/(n₁ + 2n₂) an order, nᵢ the number of counts that are i;

    mixed        P(w | h) = (n(h, w) + k · P(w | h⁻)) / (n(h) + k)
    add-k        P(w | h) = (n(h, w) + k) / (n(h) + kV)           the highest order alone; k = 1 is Laplace's

An unseen context counts for nothing: kneser-ney and mixed then give P(w | h⁻). Before its first token a text has the mark BEGIN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.errors import RecipeError
from sonde.nn.sequence import State, tensors
from sonde.ops.losses import NO_TARGET

BLOCK = 4 * 2**20  # probabilities worked out at a time


@dataclass(frozen=True)
class Config:
    """`order`: n, so that n − 1 tokens are looked back on. `smoothing` and its `k` as above."""

    vocabulary: int = 0
    outputs: int = 0
    per: Literal["token"] = "token"
    order: int = 5
    smoothing: Literal["kneser-ney", "mixed", "add-k"] = "kneser-ney"
    k: float = 1.0


VARIANTS: dict[str, Config] = {
    "unigram": Config(order=1),
    "bigram": Config(order=2),
    "trigram": Config(order=3),
    "ngram": Config(),
}


class NGram(nn.Module):
    """Counts as sorted whole numbers, so that contexts and followers are found by bisection.

    `contexts{j}`: a context of j tokens, as (its last j − 1 tokens' place) · (V + 1) + (its first token), sorted; a context's place there
    is its number. So a context's number is found from its last token backwards, and on the way those of all shorter ones.
    `followers{j}`: what followed contexts of j tokens, as (context's number) · V + (token), sorted; `counts{j}` beside them.
    """

    discounts: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.order < 1 or config.k < 0:
            raise RecipeError(
                f"there is no n-gram model of order {config.order} with k = {config.k:g}",
                where="model.config",
                remedy="give an order of at least 1 and a k of at least 0: --set model.order=3",
            )
        self.config, self.order, self.tokens = config, config.order, config.vocabulary
        nothing = torch.zeros(0, dtype=torch.int64)
        for j in range(config.order):
            self.register_buffer(f"contexts{j}", torch.zeros(1, dtype=torch.int64) if j == 0 else nothing.clone())
            self.register_buffer(f"followers{j}", nothing.clone())
            self.register_buffer(f"counts{j}", nothing.clone())
        self.register_buffer("discounts", torch.full((config.order,), 0.5))

    @property
    def stages(self) -> dict[str, tuple[str, ...]]:
        """Which contexts there are, and what follows them."""
        orders = range(self.order)
        following = tuple(f"{name}{j}" for name in ("followers", "counts") for j in orders)
        return {"stem": tuple(f"contexts{j}" for j in orders), "head": (*following, "discounts")}

    def advance(self, tokens: Int[Tensor, "batch step"], state: State) -> tuple[Float[Tensor, "batch step token"], State]:
        """As nn.sequence.LanguageModel. The state: the last n − 1 tokens."""
        before = tokens.new_full((len(tokens), self.order - 1), self.tokens) if state is None else tensors(state)[0]
        said = torch.cat([before, tokens], dim=1)
        if not tokens.shape[1] or not len(tokens):
            return self.discounts.new_zeros(*tokens.shape, self.tokens), (before,)
        # (batch, step, n − 1), the latest token last; a unigram model looks back on nothing.
        context = said[:, 1:].unfold(1, self.order - 1, 1) if self.order > 1 else said.new_zeros(*tokens.shape, 0)
        rows = context.flatten(0, 1)
        parts = [self._log_p(part) for part in rows.split(max(1, BLOCK // max(self.tokens, 1)))]
        return torch.cat(parts).view(*tokens.shape, self.tokens), (said[:, said.shape[1] - self.order + 1 :],)

    @torch.no_grad()
    def finish(self, batches: Iterable[tuple[tuple[Tensor, ...], Tensor]], emit: Callable[[dict[str, Any]], None]) -> None:
        """Count the training text: windows of lanes, which one after the other are the text."""
        windows = [(inputs[0], targets) for inputs, targets in batches]
        tokens, targets = (torch.cat([window[side] for window in windows], dim=1).flatten() for side in (0, 1))
        self.count(torch.cat([tokens[:1], targets[targets != NO_TARGET]]))
        kinds = len(getattr(self, f"followers{self.order - 1}"))
        message = f"{kinds:,} different {self.order}-grams among {int((targets != NO_TARGET).sum()) + 1:,} tokens"
        emit({"event": "model", "name": "ngram", "order": self.order, "grams": kinds, "message": message})

    def count(self, text: Int[Tensor, " token"]) -> None:
        """Take over the counts of a text."""
        begun = torch.cat([text.new_full((self.order - 1,), self.tokens), text])
        number = torch.zeros_like(text)  # of the context before each token, of the length that the loop has come to
        pairs: list[tuple[Tensor, Tensor]] = []
        parents: list[Tensor] = []
        for j in range(self.order):
            if j:
                first = begun[self.order - 1 - j : len(begun) - j]
                keys, number = torch.unique(number * (self.tokens + 1) + first, return_inverse=True)
                setattr(self, f"contexts{j}", keys)
                parents.append(keys // (self.tokens + 1))
            found, counts = torch.unique(number * self.tokens + text, return_counts=True)
            pairs.append((found, counts))
        for j, (found, counts) in enumerate(pairs):
            if self.config.smoothing == "kneser-ney" and j < self.order - 1:
                longer = pairs[j + 1][0]
                context, token = longer // self.tokens, longer % self.tokens
                found, counts = torch.unique(parents[j][context] * self.tokens + token, return_counts=True)
            setattr(self, f"followers{j}", found)
            setattr(self, f"counts{j}", counts)
            once, twice = int((counts == 1).sum()), int((counts == 2).sum())
            self.discounts[j] = once / (once + 2 * twice) if once else 0.5

    def _log_p(self, context: Int[Tensor, "row back"]) -> Float[Tensor, "row token"]:
        """Ln P of every token after each context, the latest token last."""
        p = self.discounts.new_full((len(context), self.tokens), 1 / self.tokens)
        number = torch.zeros(len(context), dtype=torch.int64, device=context.device)
        for j in range(self.order):
            if j:
                number = _place(getattr(self, f"contexts{j}"), number, number * (self.tokens + 1) + context[:, -j])
            if self.config.smoothing == "add-k" and j < self.order - 1:
                continue
            p = self._mixed(p, number, j)
        return p.log()

    def _mixed(self, p: Tensor, number: Tensor, j: int) -> Tensor:
        """P(w | h) from P(w | h⁻), for contexts of j tokens by their number; −1 where they were never seen."""
        followers, counts = getattr(self, f"followers{j}"), getattr(self, f"counts{j}")
        context = number.clamp(min=0)
        begin = torch.searchsorted(followers, context * self.tokens)
        kinds = (torch.searchsorted(followers, (context + 1) * self.tokens) - begin).masked_fill(number < 0, 0)
        row = torch.arange(len(p), device=p.device).repeat_interleave(kinds)
        place = begin.repeat_interleave(kinds) + torch.arange(len(row), device=p.device) - (kinds.cumsum(0) - kinds).repeat_interleave(kinds)
        token, seen = followers[place] % self.tokens, counts[place].to(p.dtype)
        total = p.new_zeros(len(p)).index_add_(0, row, seen)
        k = self.config.k
        if self.config.smoothing == "kneser-ney":
            discount = self.discounts[j]
            share = torch.where(total > 0, discount * kinds / total.clamp(min=1), 1.0)
            gained = (seen - discount).clamp(min=0) / total.clamp(min=1)[row]
        else:
            prior = k * self.tokens if self.config.smoothing == "add-k" else k
            known = total + prior
            share, gained = torch.where(known > 0, prior / known.clamp(min=1e-30), 1.0), seen / known.clamp(min=1e-30)[row]
        return (p * share[:, None]).index_put_((row, token), gained, accumulate=True)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        """Counts are as many as the text had, so that their sizes come from the file."""
        for name, buffer in list(self.named_buffers(recurse=False)):
            saved = state_dict.get(prefix + name)
            if saved is not None and name != "discounts":
                setattr(self, name, torch.empty_like(saved, device=buffer.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _place(keys: Tensor, number: Tensor, wanted: Tensor) -> Tensor:
    """Where `wanted` stand among the sorted `keys`, −1 where they do not, or where `number` is −1 already."""
    if not len(keys):
        return torch.full_like(number, -1)
    place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return torch.where((number >= 0) & (keys[place] == wanted), place, -1)


def build(config: Config) -> NGram:
    """The model, which has counted nothing yet: every token is as likely as any other."""
    return NGram(config)
