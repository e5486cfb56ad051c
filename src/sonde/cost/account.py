"""The bill of a model: layer by layer and in all, what it holds, computes, keeps and moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sonde.cost.operations import Operation, uncounted
from sonde.cost.source import Source
from sonde.cost.trace import Trace, pretending, trace
from sonde.errors import RecipeError, SondeError, UsageError, did_you_mean

# Numbers that an optimiser keeps for each weight.
STATE: dict[str, int] = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2, "adamw": 2}


@dataclass(frozen=True)
class Layer:
    """One module and what stands in its own forward, without that of modules inside it.

    `output` is the shape that it gives, batch first. `multiply_adds`, `other` (operations) and `moved` (bytes) are of the forward pass over the
    batch, `backward` are the multiply-adds of the backward pass, `saved` bytes that are kept for it.
    """

    path: str
    type: str
    output: tuple[int, ...] | None
    parameters: int
    multiply_adds: int
    other: int
    moved: int
    saved: int
    backward: int

    @property
    def intensity(self) -> float:
        """Multiply-adds for each byte moved."""
        return self.multiply_adds / self.moved if self.moved else 0.0


@dataclass(frozen=True)
class Memory:
    """Bytes in training and in use.

    `weights` include buffers. `activations` is what autograd keeps beside weights and inputs; `passing` what comes and goes: `training` is the most
    that is in use at any moment of a step, `inference` that of a forward pass without gradients.
    """

    inputs: int
    weights: int
    gradients: int
    optimizer: int
    activations: int
    passing: int
    training: int
    inference: int


@dataclass(frozen=True)
class Cost:
    """The bill for `batch` examples, with an optimiser of the name.

    `operations` are those of a training step, in order; `trained` the sizes of the tensors that are trained.
    """

    source: Source
    batch: int
    optimizer: str
    layers: tuple[Layer, ...]
    parameters: int
    memory: Memory
    operations: tuple[Operation, ...]
    trained: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def multiply_adds(self) -> int | float:
        """Of the forward pass, for one example."""
        return _each(sum(layer.multiply_adds for layer in self.layers), self.batch)

    @property
    def backward(self) -> int | float:
        """Multiply-adds of the backward pass, for one example."""
        return _each(sum(layer.backward for layer in self.layers), self.batch)

    @property
    def moved(self) -> int:
        """Bytes that a training step moves, forward and backward, when no operation finds its inputs in a cache."""
        return sum(operation.moved for operation in self.operations)


def _each(total: int, batch: int) -> int | float:
    return total // batch if total % batch == 0 else total / batch


def count(source: Source) -> tuple[int, int]:
    """(Parameters, multiply-adds of the forward pass for one example) of one of Sonde's models; nothing is computed."""
    with torch.device("meta"):
        module = _built(source).eval()
        inputs = [each.batch(1, "meta") for each in source.inputs]
    with _explained(source):
        found = trace(module, inputs, backward=False)
    return sum(weight.numel() for weight in module.parameters()), sum(operation.multiply_adds for operation in found.operations)


def account(source: Source, *, batch: int = 32, optimizer: str = "sgd") -> Cost:
    """The bill, from the shapes alone.

    The forward pass is counted as in use (no dropout, no auxiliary heads), the backward pass and the memory as in training. What Sonde's own
    models ask for is counted by their definition; memory and time by what is done on a CPU.

    Raises UsageError or RecipeError where the module cannot be built or does not take such an input.
    """
    if optimizer not in STATE:
        raise UsageError(f"there is no optimiser {optimizer!r}", where="--optimizer", remedy=did_you_mean(optimizer, STATE))
    if batch < 1:
        raise UsageError(f"a batch of {batch} holds nothing", where="--batch", remedy="give at least 1")
    notes = list(source.notes)
    module, used, trained = _traced(source, batch, STATE[optimizer], notes)
    forward = used
    if source.own:
        with torch.device("meta"):
            plain = source.build().eval()
            forward = trace(plain, [each.batch(batch, "meta") for each in source.inputs], backward=False)
    notes += _left_out([*forward.operations, *trained.operations])
    weights = sum(_bytes(tensor) for tensor in [*module.parameters(), *module.buffers()])
    gradients = sum(_bytes(weight) for weight in module.parameters() if weight.requires_grad)
    inputs = trained.start - weights - gradients * STATE[optimizer]
    state, kept = gradients * STATE[optimizer], sum(trained.saved.values())
    # At the end of the backward pass weights, state and all gradients are there, at its beginning all that was kept.
    peak = max(trained.peak, trained.start + gradients)
    passing = max(0, peak - trained.start - max(gradients, kept))
    memory = Memory(inputs, weights, gradients, state, kept, passing, peak, used.peak)
    layers = tuple(_layers(module, forward, trained))
    parameters = sum(weight.numel() for weight in module.parameters())
    sizes = tuple(weight.numel() for weight in module.parameters() if weight.requires_grad)
    return Cost(source, batch, optimizer, layers, parameters, memory, tuple(trained.operations), sizes, tuple(notes))


def _traced(source: Source, batch: int, state: int, notes: list[str]) -> tuple[nn.Module, Trace, Trace]:
    """The module, its forward pass in use and its step in training; really computed where shapes alone do not say how it goes on."""
    try:
        with pretending():
            module = _built(source)
            return (module, *_both(module, source, batch, state))
    except SondeError:
        raise
    except Exception as error:
        if source.own:
            raise _failed(source, error) from error
        module = _built(source)
        notes.append("the module asks for values, not only shapes, so it was run with zeros")
        with _explained(source):
            return (module, *_both(module, source, batch, state))


def _left_out(operations: Sequence[Operation]) -> Iterator[str]:
    """Says which operations multiply without being counted."""
    multiply, foreign = uncounted(operations)
    if multiply:
        yield f"multiply-adds of these operations are not counted: {', '.join(multiply)}"
    if foreign:
        yield f"of these operations of other packages it is not known what they compute, and nothing is counted: {', '.join(foreign)}"


def _both(module: nn.Module, source: Source, batch: int, state: int) -> tuple[Trace, Trace]:
    given = [each.batch(batch, "cpu") for each in source.inputs]
    used = trace(module.eval(), given, backward=False)
    held = state * sum(_bytes(weight) for weight in module.parameters() if weight.requires_grad)
    return used, trace(module.train(), given, backward=True, held=held)


def _built(source: Source) -> nn.Module:
    try:
        return source.build()
    except SondeError:
        raise
    except Exception as error:
        what = f"the model cannot be built: {type(error).__name__}: {error}"
        raise UsageError(what, where=source.what, remedy="mend it, or give its arguments with --set name=value") from error


@contextmanager
def _explained(source: Source) -> Iterator[None]:
    try:
        yield
    except SondeError:
        raise
    except Exception as error:
        raise _failed(source, error) from error


def _failed(source: Source, error: Exception) -> RecipeError:
    """What a forward pass says of inputs that do not fit; its first line tells most."""
    said = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    shown = " and ".join(map(str, source.inputs))
    what = f"the model does not take an input of {shown}: {type(error).__name__}: {said}"
    return RecipeError(what, where=source.what, remedy="give another --input (channels x height x width, without the batch); larger, where it is too small")


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _layers(module: nn.Module, forward: Trace, trained: Trace) -> Iterator[Layer]:
    """One row for each module that does or holds something itself, in the order of the module tree."""
    by_layer: dict[str, list[Operation]] = {}
    for operation in forward.operations:
        by_layer.setdefault(operation.layer, []).append(operation)
    backward: dict[str, int] = {}
    for operation in trained.operations:
        if operation.phase == "backward":
            backward[operation.layer] = backward.get(operation.layer, 0) + operation.multiply_adds
    counted: set[int] = set()
    for path, child in module.named_modules():
        own = [weight for weight in child.parameters(recurse=False) if id(weight) not in counted]
        counted |= {id(weight) for weight in own}
        done = [operation for operation in by_layer.get(path, []) if operation.kind != "view"]
        if not (own or done or trained.saved.get(path) or backward.get(path)):
            continue
        yield Layer(
            path or "(itself)",
            type(child).__name__,
            forward.outputs.get(path),
            sum(weight.numel() for weight in own),
            sum(operation.multiply_adds for operation in done),
            sum(operation.other for operation in done),
            sum(operation.moved for operation in done),
            trained.saved.get(path, 0),
            backward.get(path, 0),
        )


def folded(layers: Sequence[Layer], depth: int) -> list[Layer]:
    """The rows with everything below `depth` names of the path added to the module there."""
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        groups.setdefault(".".join(layer.path.split(".")[:depth]), []).append(layer)
    return [
        Layer(
            path,
            rows[0].type if rows[0].path == path else "",
            rows[-1].output if rows[0].path != path else rows[0].output,
            *(sum(getattr(row, name) for row in rows) for name in ("parameters", "multiply_adds", "other", "moved", "saved", "backward")),
        )
        for path, rows in groups.items()
    ]
