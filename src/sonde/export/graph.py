"""A torch module as the graph that export/numpy_runtime/graph.py runs: torch.export, core ATen operations, plain data."""

from __future__ import annotations

import operator
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node

from sonde.errors import RunError
from sonde.export.numpy_runtime.graph import FORMAT
from sonde.export.numpy_runtime.operations import OPERATIONS

# Options that say where and how a tensor lies in memory, which NumPy settles by itself.
_PLACEMENT = frozenset({"layout", "device", "pin_memory", "memory_format", "non_blocking", "implicit"})
_NUMBERS = {operator.add: "add", operator.sub: "sub", operator.mul: "mul", operator.floordiv: "floordiv", operator.mod: "mod", operator.neg: "neg"}
_CHECKS = ("aten._assert", "aten.sym_constrain", "aten._check")


@dataclass(frozen=True)
class Written:
    """graph.json as a table, and the tensors of weights.safetensors."""

    graph: dict[str, Any]
    weights: dict[str, Tensor]


class _Call(nn.Module):
    """`function(*inputs)` of a module, with one argument however many inputs there are."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: tuple[Tensor, ...]) -> Any:
        return self.model(*inputs)


def write_graph(
    model: nn.Module, inputs: tuple[Tensor, ...], *, names: tuple[str, ...], where: str = "the model", steps: int | None = None
) -> Written:
    """The graph of `model` in evaluation mode for example `inputs` (at least two rows), the first axis of each left open.

    `steps`: where the second axis of the first input is open too, how long it is at most.

    Raises RunError where PyTorch cannot export the model, and where it has an operation that NumPy's side does not know.
    """
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.export's own, about torch.export
            batch = Dim("batch")
            second = {} if steps is None else {1: Dim("step", max=steps)}
            shapes = (({0: batch} | second, *({0: batch} for _ in inputs[1:])),)
            program = torch.export.export(_Call(model), (inputs,), dynamic_shapes=shapes).run_decompositions()
    except Exception as error:  # torch.export raises errors of many kinds, all about the model's own source
        first = str(error).strip().splitlines() or [type(error).__name__]
        remedy = "write its forward without branches on values and without a fixed batch size"
        raise RunError(f"PyTorch cannot export this model: {first[0]}", where=where, remedy=remedy) from error
    finally:
        model.train(was_training)
    return _plain(program, names, where)


def _plain(program: ExportedProgram, names: tuple[str, ...], where: str) -> Written:
    nodes = _needed(program)
    unknown = sorted({_operation(node) for node in nodes if node.op == "call_function"} - set(OPERATIONS))
    if unknown:
        found = f"the model computes {', '.join(unknown)}, which the NumPy side does not know"
        remedy = "use the run with PyTorch (`sonde predict`), or write the model with operations that sonde.export.numpy_runtime.operations lists"
        raise RunError(found, where=where, remedy=remedy)
    called: dict[str, str] = {}  # the program's name of an input or a weight → ours
    weights: dict[str, Tensor] = {}
    given = iter(names)
    used = {node.name for node in nodes}
    for spec in program.graph_signature.input_specs:
        if spec.kind is InputKind.USER_INPUT:
            called[spec.arg.name] = next(given)
        elif spec.arg.name in used:
            assert spec.target is not None
            called[spec.arg.name] = "w." + spec.target.removeprefix("model.")  # apart from all names of nodes
            weights[called[spec.arg.name]] = _tensor(program, spec.target)
    output = program.graph.output_node()
    calls = [node for node in nodes if node.op == "call_function"]
    graph = {
        "format": FORMAT,
        "inputs": list(names),
        "constants": list(weights),
        "nodes": [_node(node, called) for node in calls],
        "outputs": _reference(output.args[0], called),
    }
    return Written(graph, weights)


def _needed(program: ExportedProgram) -> list[Node]:
    """The nodes that the output depends on, in order; checks are left out."""
    wanted: set[Node] = set()
    for node in reversed(program.graph.nodes):
        if node.op == "output" or node in wanted:
            wanted.update(node.all_input_nodes)
    return [node for node in program.graph.nodes if node in wanted and not str(node.target).startswith(_CHECKS)]


def _tensor(program: ExportedProgram, target: str) -> Tensor:
    found = program.state_dict[target] if target in program.state_dict else program.constants[target]
    return found.detach().cpu().contiguous().clone()


def _operation(node: Node) -> str:
    """`add.Tensor` of aten.add.Tensor; `mul` of a product of sizes."""
    if node.target is operator.getitem:
        return "getitem"
    if node.target in _NUMBERS:
        return _NUMBERS[node.target]
    return str(node.target).removeprefix("aten.")


def _node(node: Node, called: dict[str, str]) -> dict[str, Any]:
    """One call: tensors apart from options, every default written out."""
    inputs: list[Any] = []
    options: dict[str, Any] = {}
    if node.target is operator.getitem:
        inputs, options = [_reference(node.args[0], called)], {"index": node.args[1]}
    elif node.target in _NUMBERS:
        inputs = [_reference(each, called) for each in node.args]
    else:
        schema = node.target._schema  # type: ignore[union-attr]
        for place, argument in enumerate(schema.arguments):
            value = node.args[place] if place < len(node.args) else node.kwargs.get(argument.name, argument.default_value)
            if "Tensor" in str(argument.type):
                inputs.append(_reference(value, called))
            elif argument.name not in _PLACEMENT:
                options[argument.name] = _option(value, called)
    return {"name": node.name, "op": _operation(node), "inputs": inputs, "options": options, "dtype": _dtype(node)}


def _dtype(node: Node) -> str | None:
    """The result's dtype; None for numbers and for several results."""
    value = node.meta.get("val")
    return str(value.dtype).removeprefix("torch.") if isinstance(value, Tensor) else None


def _reference(value: Any, called: dict[str, str]) -> Any:
    """An input: a name, a number, None, or a list of such."""
    if isinstance(value, Node):
        return called.get(value.name, value.name)
    return [_reference(each, called) for each in value] if isinstance(value, (list, tuple)) else value


def _option(value: Any, called: dict[str, str]) -> Any:
    """An option as JSON has it. Infinite numbers are kept (Python's JSON reads them back)."""
    if isinstance(value, Node):
        return {"value": called.get(value.name, value.name)}
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    return [_option(each, called) for each in value] if isinstance(value, (list, tuple)) else value
