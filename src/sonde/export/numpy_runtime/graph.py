"""A computation graph read from `graph.json` and `weights.safetensors`, and run node by node.

graph.json: {"format": 1, "inputs": ["numbers"], "constants": ["network.output.weight"], "nodes": [...], "outputs": ["addmm"]}. A node has
`name`, `op` (a key of OPERATIONS), `inputs` (names of values, numbers, lists of them), `options` (a computed number in them is
{"value": name}) and `dtype`, which its result is put into, so that NumPy's own rules of promotion do not count.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .operations import OPERATIONS
from .problem import PredictError

FORMAT = 1
_DTYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8,
    "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of the exported folder."""
    try:
        table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PredictError(f"the file is missing or damaged ({error})", where=str(path), remedy="export the run again") from None
    if table.get("format") != FORMAT:
        found = f"this is format {table.get('format')}, and this predict.py reads {FORMAT}"
        raise PredictError(found, where=str(path), remedy="export the run again")
    return table


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Arrays by name. The file: 8 bytes with the header's length (little endian), the header as JSON, the arrays' raw bytes."""
    try:
        raw = path.read_bytes()
        length = int.from_bytes(raw[:8], "little")
        header, data = json.loads(raw[8 : 8 + length]), memoryview(raw)[8 + length :]
        arrays = {}
        for name, entry in header.items():
            if name != "__metadata__":
                start, end = entry["data_offsets"]
                dtype = np.dtype(_DTYPES[entry["dtype"]]).newbyteorder("<")
                arrays[name] = np.frombuffer(data[start:end], dtype).astype(dtype.newbyteorder("=")).reshape(entry["shape"])
        return arrays
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PredictError(f"the weights are missing or damaged ({error!r})", where=str(path), remedy="export the run again") from None


class Graph:
    """The model: arrays in, arrays out."""

    def __init__(self, description: dict[str, Any], weights: dict[str, np.ndarray]) -> None:
        self.inputs: list[str] = description["inputs"]
        self.outputs: list[str] = description["outputs"]
        self.nodes: list[dict[str, Any]] = description["nodes"]
        self.constants = {name: weights[name] for name in description["constants"]}
        last: dict[str, int] = {}  # name → the node that needs it last
        for place, node in enumerate(self.nodes):
            last |= dict.fromkeys(_names(node["inputs"]) + _computed(list(node["options"].values())), place)
        self._done: list[list[str]] = [[] for _ in self.nodes]
        for name in set(last) - set(self.constants) - set(self.outputs):
            self._done[last[name]].append(name)

    @staticmethod
    def load(folder: Path) -> Graph:
        """The graph of an exported folder."""
        return Graph(read_json(folder / "graph.json"), read_safetensors(folder / "weights.safetensors"))

    def run(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """The outputs for `inputs`, whose first axis is the batch, of any size but 0."""
        values: dict[str, Any] = {**self.constants, **dict(zip(self.inputs, inputs, strict=True))}
        with np.errstate(all="ignore"):
            for node, done in zip(self.nodes, self._done, strict=True):
                options = {key: _resolved(option, values) for key, option in node["options"].items()}
                result = OPERATIONS[node["op"]](*(_looked_up(each, values) for each in node["inputs"]), **options)
                if node["dtype"] is not None:
                    result = np.asarray(result).astype(node["dtype"], copy=False)
                values[node["name"]] = result
                for name in done:  # what nobody needs any more makes room
                    del values[name]
        return [values[name] for name in self.outputs]


def _looked_up(given: Any, values: dict[str, Any]) -> Any:
    """An input: the value of a name, a number, or a list of such."""
    if isinstance(given, list):
        return [_looked_up(each, values) for each in given]
    return values[given] if isinstance(given, str) else given


def _resolved(option: Any, values: dict[str, Any]) -> Any:
    """An option, computed numbers put in."""
    if isinstance(option, dict):
        return values[option["value"]]
    return [_resolved(each, values) for each in option] if isinstance(option, list) else option


def _names(inputs: Any) -> list[str]:
    """The names of values among a node's inputs."""
    if isinstance(inputs, list):
        return [name for each in inputs for name in _names(each)]
    return [inputs] if isinstance(inputs, str) else []


def _computed(option: Any) -> list[str]:
    """The names of computed numbers in an option."""
    if isinstance(option, list):
        return [name for each in option for name in _computed(each)]
    return [option["value"]] if isinstance(option, dict) else []
