"""Models that foretell tokens for NumPy alone: language models, fillers of blanks and translators as modules of tensors in, tensors out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sonde.data.prepare.tokenizers import BEGIN
from sonde.errors import SondeError
from sonde.export.numpy_runtime.blanks import BlankFiller
from sonde.export.numpy_runtime.language_model import LanguageModel
from sonde.export.numpy_runtime.translator import Translator
from sonde.nn.recurrent import Recurrent
from sonde.nn.recurrent_network import RecurrentNetwork
from sonde.nn.sequence import State, blank_filler, carries_state, language_model, network_of, tensors, translator
from sonde.ops.growing import Common
from sonde.run import Run

ROWS, STEPS = 4, 64  # of the text that is compared
Part = tuple[nn.Module, tuple[Tensor, ...]]  # what becomes a graph, and inputs of it


class Stepping(nn.Module):
    """`advance` by one token, with a state that is always there."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """From tokens int64 (row, 1) and the state: logits (row, token) and the next state."""
        logits, after = language_model(self.network).advance(tokens, state)
        return (logits[:, -1], *tensors(after))


class Side(nn.Module):
    """One direction of a model that reads in both, by one token."""

    def __init__(self, network: RecurrentNetwork, layers: Recurrent) -> None:
        super().__init__()
        self.network, self.layers = network, layers

    def forward(self, tokens: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """From tokens int64 (row, 1) and the state: features (row, width) and the next state."""
        features, after = self.layers(self.network.enter(tokens), state)
        return (features[0], *after)


class Sides(nn.Module):
    """What both directions together foretell."""

    def __init__(self, network: RecurrentNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        """From features (row, 2 · width) of the state before a token and behind it: its logits (row, token)."""
        return self.network.leave(features)


class Anew(nn.Module):
    """All that is looked back on, read at once."""

    def __init__(self, network: nn.Module, form: State = None) -> None:
        super().__init__()
        self.network, self.form = network, form

    def forward(self, tokens: Tensor, *state: Tensor) -> Tensor:
        """From tokens int64 (row, step), and what a translator's encoder gave: logits (row, step, token)."""
        if self.form is None:
            logits: Tensor = self.network(tokens)
            return logits
        given = iter(state)
        whole = tuple(part if isinstance(part, Common) else next(given) for part in self.form)
        with nothing_kept(self.network):
            return translator(self.network).advance(tokens, whole)[0]


class Encoding(nn.Module):
    """What a translator's decoder needs to know of a source, as tensors."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """From tokens int64 (row, length) and lengths int64 (row,)."""
        with nothing_kept(self.network):
            state = translator(self.network).encode(tokens, lengths)
        return tuple(part for part in state or () if isinstance(part, Tensor))


@contextmanager
def nothing_kept(network: nn.Module) -> Iterator[None]:
    """While this is open, `network` takes itself for one in training, whose state is tensors, while its layers, dropout among them, do not."""
    network.training = True
    try:
        yield
    finally:
        network.training = False


def foretelling(run: Run) -> tuple[nn.Module, tuple[Tensor, ...], dict[str, Any]]:
    """The module of a language model that writes, inputs of it, and what preprocessing.json says of how it is called."""
    network = network_of(run.model).eval()
    first = torch.zeros(ROWS, 1, dtype=torch.int64)
    if carries_state(network):
        with torch.no_grad():
            state = tensors(language_model(network).advance(first, None)[1])
        described = {"state": [list(part.shape[1:]) for part in state], "dtype": str(state[0].dtype).removeprefix("torch.")}
        # Before its first token a text has, for a model of a window, marks of its own; a recurrent state is 0.
        mark = int(getattr(network, "begin", 0))
        return Stepping(network).eval(), (first, *(torch.full_like(part, mark) for part in state)), described | {"first": mark}
    length, kept = network.looks_back  # type: ignore[misc]
    return Anew(network).eval(), (torch.ones(ROWS, length, dtype=torch.int64),), {"looks_back": length, "kept": kept}


def filling(run: Run) -> tuple[dict[str, Part], dict[str, Any]]:
    """Both directions and the output of a model that fills blanks, and what preprocessing.json says of how the directions are called."""
    network = network_of(run.model).eval()
    assert isinstance(network, RecurrentNetwork) and network.backward_recurrent is not None
    first = torch.zeros(ROWS, 1, dtype=torch.int64)
    with torch.no_grad():
        features, state = network.recurrent(network.enter(first))
    parts: dict[str, Part] = {
        name: (Side(network, layers).eval(), (first, *(torch.zeros_like(part) for part in state)))
        for name, layers in (("forwards", network.recurrent), ("backwards", network.backward_recurrent))
    }
    parts["output"] = Sides(network).eval(), (torch.cat([features[0], features[0]], -1),)
    described = {"state": [list(part.shape[1:]) for part in state], "dtype": str(state[0].dtype).removeprefix("torch."), "first": 0}
    return parts, described


def translating(run: Run) -> tuple[dict[str, Part], dict[str, Any]]:
    """The encoder and the decoder, and what preprocessing.json says of how the decoder is called."""
    network = network_of(run.model).eval()
    tokens, lengths = sources_of(run)
    with torch.no_grad():
        grows = not all(isinstance(part, Tensor) for part in translator(network).encode(tokens, lengths) or ())
        with nothing_kept(network):
            form = translator(network).encode(tokens, lengths)
        read = Encoding(network).eval()(tokens, lengths)
    parts: dict[str, Part] = {"encoder": (Encoding(network).eval(), (tokens, lengths))}
    if grows:
        longest = run.task.longest  # type: ignore[attr-defined]
        target = torch.full((len(tokens), longest), BEGIN)
        return parts | {"decoder": (Anew(network, form).eval(), (target, *read))}, {"looks_back": longest, "kept": 0}
    return parts | {"decoder": (Stepping(network).eval(), (torch.full((len(tokens), 1), BEGIN), *read))}, {"state": []}


def sources_of(run: Run) -> tuple[Tensor, Tensor]:
    """Sources to compare with, tokens int64 (row, length) and lengths: the first of the training part, or drawn ones without it."""
    try:
        columns, index, _ = run.part("train")
        tokens, lengths = (np.resize(each.numpy()[index[:ROWS]], (ROWS, *each.shape[1:])) for each in columns.inputs)
    except SondeError:
        draw, sizes = np.random.default_rng(0), run.preparation.sizes
        lengths = draw.integers(1, sizes["length"] + 1, ROWS)
        tokens = draw.integers(1, sizes["vocabulary"], (ROWS, sizes["length"])) * (np.arange(sizes["length"]) < lengths[:, None])
    return torch.from_numpy(tokens.astype(np.int64)), torch.from_numpy(lengths.astype(np.int64))


def text_of(run: Run) -> np.ndarray:
    """Tokens int64 (row, step) to compare with: the first of the training part, or drawn ones where the run's data are not at hand."""
    size = run.preparation.sizes["vocabulary"]
    try:
        columns, index, _ = run.part("train")
    except SondeError:
        return np.random.default_rng(0).integers(size, size=(ROWS, STEPS))
    chosen = np.resize(columns.inputs[0].numpy()[index[: ROWS * STEPS]], (ROWS, STEPS))
    return chosen.astype(np.int64)


def compare_text(exported: LanguageModel, run: Run) -> tuple[float, int]:
    """The largest difference of logits over a text, relative to the largest of them, and on how many tokens."""
    tokens = text_of(run)
    with torch.no_grad():
        ours = language_model(run.model).advance(torch.from_numpy(tokens), None)[0].numpy()
    theirs, _ = exported.read(tokens)
    return _difference(ours, theirs), tokens.size


def compare_blanks(exported: BlankFiller, run: Run) -> tuple[float, int]:
    """As `compare_text`, each token foretold from all others."""
    tokens, filler = text_of(run), blank_filler(run.model)
    assert filler is not None
    with torch.no_grad():
        ours = filler.between(torch.from_numpy(tokens)).numpy()
    return _difference(ours, exported.between(tokens)), tokens.size


def compare_translations(exported: Translator, run: Run) -> tuple[float, int]:
    """The largest difference of logits along what the run writes, relative to the largest of them, and of how many sources."""
    network, (tokens, lengths) = translator(run.model), sources_of(run)
    with torch.no_grad():
        written = run.task.predict(run.model, (tokens, lengths))
        target = torch.cat([torch.full((len(written), 1), BEGIN), written[:, :-1]], dim=1)
        ours = network.advance(target, network.encode(tokens, lengths))[0].numpy()
    return _difference(ours, exported.read(tokens.numpy(), lengths.numpy(), target.numpy())), len(tokens)


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max() / max(float(np.abs(ours).max()), 1e-30))
