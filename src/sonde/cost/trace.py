"""Runs a module once without computing, and takes down each operation and each piece of memory.

Tensors are on the device `meta` (shapes alone) or are PyTorch's fake tensors, which say that they are on a real device, so that a module that
does something else there does so here. Every operation passes below autograd through a `TorchDispatchMode`; storages are followed from the
operation that made them to the moment that nobody holds them any more, which gives the memory in use at each moment, and autograd says
what it keeps for the backward pass (`saved_tensors_hooks`). What PyTorch would do in one fused piece is traced in its single operations.
"""

from __future__ import annotations

import bisect
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from sonde.cost.operations import Operation, describe, tensors

Phase = Literal["forward", "backward"]
BLOCK, FEW = 16, 4  # channels that a CPU's convolution computes together, and those that it takes as they are


@dataclass
class Trace:
    """What happened, in order. Bytes are of storages, each counted once, however many tensors share it.

    `outputs` and `called` are by layer: the shape that came out last, and how often it was called. `saved` is what autograd keeps for the backward
    pass beside weights, buffers and inputs, by the layer that asks for it. `start` was in use before the forward pass, `forward_peak` and `peak` are
    the most that was in use until its end and until the end of the backward pass.
    """

    operations: list[Operation] = field(default_factory=list)
    outputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    called: dict[str, int] = field(default_factory=dict)
    saved: dict[str, int] = field(default_factory=dict)
    start: int = 0
    forward_peak: int = 0
    peak: int = 0


def trace(module: nn.Module, inputs: Sequence[Tensor], *, backward: bool, held: int = 0) -> Trace:
    """Run `module` on `inputs` and, with `backward`, the gradients of the sum of its outputs; in the mode (training or not) that it is in.

    `held`: bytes in use beside weights, buffers and inputs, such as an optimiser's state. Whatever the module raises comes through.
    """
    given = [*module.parameters(), *module.buffers(), *inputs]
    recorder = _Recorder(given, held)
    with ExitStack() as stack:
        stack.enter_context(_single_operations())
        for handle in recorder.watch(module):
            stack.callback(handle.remove)
        stack.enter_context(recorder)
        with saved_tensors_hooks(recorder.keep, lambda kept: kept) if backward else torch.no_grad():
            outputs = module(*inputs)
        recorder.end_forward()
        if backward:
            total = [x.sum() for x in tensors(outputs) if x.requires_grad]
            del outputs
            if total:
                torch.stack(total).sum().backward() if len(total) > 1 else total.pop().backward()
        recorder.found.peak = recorder.peak
    for weight in module.parameters():
        weight.grad = None
    return recorder.found


class _Recorder(TorchDispatchMode):
    """The mode through which every operation passes."""

    def __init__(self, given: Sequence[Tensor], held: int) -> None:
        super().__init__()
        self.found = Trace()
        self.path: list[str] = [""]
        self.phase: Phase = "forward"
        self.nodes: list[int] = []  # autograd's running number at each operation of the forward pass …
        self.places: list[str] = []  # … and the layer in which it stood
        self.live: dict[int, weakref.ref[Any]] = {}
        self.own: set[int] = set()  # weights, buffers and inputs
        self.kept: set[int] = set()
        self.known: dict[tuple[Any, str], Any] = {}  # operation and shapes → shapes of its results
        self.used = self.peak = held
        for tensor in given:
            self._follow(tensor)
        self.own = set(self.live)
        self.found.start = self.used

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        if torch.is_inference_mode_enabled() and _is_composite(func):
            with self:  # without autograd above nobody has taken it apart yet
                return func.decompose(*args, **(kwargs or {}))
        out = self._run(func, args, kwargs or {})
        if self.phase == "forward":
            layer = self.path[-1]
            self.nodes.append(torch._C._autograd._get_sequence_nr())
            self.places.append(layer)
        else:
            layer = self._layer_of_gradient()
        operation = describe(func, args, kwargs or {}, out, layer=layer, phase=self.phase)
        if operation is not None:
            self.found.operations.append(operation)
            for tensor in tensors(out):
                self._follow(tensor)
            if operation.kind == "convolution":
                self.peak = max(self.peak, self.used + workspace(func, args, out))
        return out

    def _run(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The operation's result. On meta, what an operation gave for such shapes before: PyTorch works shapes out in Python, at a millisecond each."""
        devices = {x.device.type for x in tensors([args, kwargs])}
        if func.is_view or func._schema.is_mutable or devices != {"meta"}:
            return func(*args, **kwargs)
        key = (func, repr(_shapes([args, kwargs])))
        if key not in self.known:
            out = func(*args, **kwargs)
            self.known[key] = _shapes(out)
            return out
        return _made(self.known[key])

    def _follow(self, tensor: Tensor) -> None:
        """Count a storage that is new, until nobody holds it."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self.live:
            size = storage.nbytes()
            self.live[key] = weakref.ref(storage, lambda _: self._release(key, size))
            self.used += size
            self.peak = max(self.peak, self.used)

    def _release(self, key: int, size: int) -> None:
        self.live.pop(key, None)
        self.kept.discard(key)
        self.used -= size

    def keep(self, tensor: Tensor) -> Tensor:
        """Autograd keeps this tensor for the backward pass."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self.own | self.kept:
            self.kept.add(storage._cdata)
            layer = self.path[-1]
            self.found.saved[layer] = self.found.saved.get(layer, 0) + storage.nbytes()
        return tensor

    def _layer_of_gradient(self) -> str:
        """The layer whose operation is being differentiated: nodes are numbered as they are made, just before their operation runs."""
        node = torch._C._current_autograd_node()
        number = 2**63 if node is None else node._sequence_nr()
        place = bisect.bisect_right(self.nodes, number)
        return self.places[place] if place < len(self.places) else ""

    def end_forward(self) -> None:
        """From here on operations belong to the backward pass."""
        self.phase = "backward"
        self.found.forward_peak = self.peak

    def watch(self, module: nn.Module) -> Iterator[Any]:
        """Follow which module's forward is running."""
        for name, child in module.named_modules():

            def enter(child: nn.Module, given: Any, name: str = name) -> None:
                self.path.append(name)
                self.found.called[name] = self.found.called.get(name, 0) + 1

            def leave(child: nn.Module, given: Any, output: Any, name: str = name) -> None:
                self.path.pop()
                first = next(tensors(output), None)
                if first is not None:
                    self.found.outputs[name] = tuple(first.shape)

            yield child.register_forward_pre_hook(enter)
            yield child.register_forward_hook(leave, always_call=True)


@contextmanager
def _single_operations() -> Iterator[None]:
    """Within, PyTorch's attention layers do not take their fast path, which is one operation that is known by nothing but its name."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _is_composite(func: Any) -> bool:
    """Whether the operation is made of others, which it calls, and no kernel of its own."""
    return func.namespace == "aten" and bool(torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"))


def workspace(func: Any, args: Sequence[Any], out: Any) -> int:
    """Bytes that a convolution on a CPU holds while it runs: its library computes in blocks of 16 channels, on copies in that order.

    Copied are what goes in (not the few channels of a first layer), what comes out, and the weights; measured on single convolutions, float32, in
    the default memory order, the copies are what the process grows by. Other devices and formats: 0, as their libraries say nothing of it.
    """
    backward = func._schema.name.endswith("_backward")
    x, w, y = (args[1], args[2], args[0]) if backward else (args[0], args[1], out)
    if x.device.type != "cpu" or x.dtype != torch.float32 or x.ndim != 4 or not x.is_contiguous():
        return 0
    many = sum(tensor.numel() // max(tensor.shape[1], 1) * -(-tensor.shape[1] // BLOCK) * BLOCK for tensor in (x, y) if tensor.shape[1] >= FEW)
    return 4 * (many + w.numel())


@dataclass(frozen=True)
class _Shape:
    """What of a tensor on meta decides what comes out."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype


def _shapes(found: Any) -> Any:
    """Nested lists with a `_Shape` for each tensor."""
    if isinstance(found, Tensor):
        return _Shape(tuple(found.shape), found.stride(), found.dtype)
    if isinstance(found, Mapping):
        return {name: _shapes(each) for name, each in found.items()}
    return [_shapes(each) for each in found] if isinstance(found, (list, tuple)) else found


def _made(found: Any) -> Any:
    """Tensors of such shapes."""
    if isinstance(found, _Shape):
        return torch.empty_strided(found.size, found.stride, dtype=found.dtype, device="meta")
    return tuple(_made(each) for each in found) if isinstance(found, list) else found


@contextmanager
def pretending() -> Iterator[None]:
    """Within, new tensors are fake ones: they have shapes, formats and a device, but neither numbers nor memory."""
    from torch._subclasses.fake_tensor import FakeTensorMode  # takes a second to load, which counting on meta need not wait for

    with FakeTensorMode(allow_non_fake_inputs=True):
        yield
