"""Weights from a file, safetensors or PyTorch's own. The one place that opens the latter, and only weights-only.

A PyTorch file is a pickle, which may run any program when it is loaded. Weights-only loading knows tensors and plain
containers and refuses everything else.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from sonde.errors import RecipeError, nearest

# Where a training script's checkpoint keeps its weights, and what wrappers put before each name.
_INSIDE = ("state_dict", "model_state_dict", "model", "weights")
_WRAPPERS = ("module.", "_orig_mod.", "network.")
_IN_A_FOLDER = ("weights.safetensors", "model.safetensors", "pytorch_model.bin")
_SHOWN = 8


@dataclass(frozen=True)
class Loaded:
    """What came from the file. `fresh`: parameters of the last layer that stayed as drawn, as the file has other classes."""

    path: Path
    taken: int
    fresh: tuple[str, ...]

    @property
    def message(self) -> str:
        """One sentence for the log."""
        head = f"{self.taken} tensors taken from {self.path}"
        return f"{head}; {', '.join(self.fresh)} start anew, as the number of outputs differs" if self.fresh else head


def load(path: Path, model: nn.Module) -> Loaded:
    """Put the weights of `path` into `model`; a folder stands for the weights in it.

    Every tensor of the model must be in the file with its shape, and the other way round, but the last layer may have
    another number of outputs and is then left as it is. Raises RecipeError that lists what does not fit with the nearest
    names, and for files that are missing, damaged, of another kind or that would run code.
    """
    path = _file(path)
    found = _unwrapped(read(path), model)
    own = model.state_dict()
    fresh = _other_outputs(found, own)
    problems = _missing(found, own, fresh) + _extra(found, own) + _misshaped(found, own, fresh)
    if problems:
        shown = problems[:_SHOWN] + ([f"… and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else [])
        remedy = "use weights of this very model, or set model.… to the sizes they were trained with"
        raise RecipeError("these weights do not fit the model:\n  " + "\n  ".join(shown), where=str(path), remedy=remedy)
    taken = {name: tensor for name, tensor in found.items() if name not in fresh}
    model.load_state_dict(taken, strict=False)
    return Loaded(path, len(taken), fresh)


def read(path: Path) -> dict[str, Tensor]:
    """The named tensors of a weight file, on the CPU. Raises RecipeError as `load` does."""
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise RecipeError(f"these weights cannot be read: {error.strerror}", where=str(path), remedy="give --weights an existing file") from None
    if head.startswith((b"PK", b"\x80")):
        return _tensors(_torch_file(path), path)
    if head[8:] == b"{":
        try:
            return safetensors.torch.load_file(path)
        except safetensors.SafetensorError as error:
            raise _damaged(path, str(error)) from None
    what = "this is neither a safetensors nor a PyTorch file"
    raise RecipeError(what, where=str(path), remedy="give --weights a .safetensors, .pt, .pth or .bin file of weights")


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    for name in _IN_A_FOLDER:
        if (path / name).is_file():
            return path / name
    raise RecipeError("this folder has no weights in it", where=str(path), remedy=f"name the file itself; looked for {', '.join(_IN_A_FOLDER)}")


def _torch_file(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        said = str(error)
        if "Unsupported" in said or "GLOBAL" in said or "global" in said:
            what = "this file holds more than weights: loading all of it would run code from the file, and is refused"
            remedy = "ask its author for a safetensors file, or save model.state_dict() alone from a program that you trust"
            raise RecipeError(what, where=str(path), remedy=remedy) from None
        raise _damaged(path, said) from None
    except (RuntimeError, EOFError, ValueError, OSError, KeyError, AttributeError) as error:
        raise _damaged(path, str(error)) from None


def _damaged(path: Path, said: str) -> RecipeError:
    reason = (said.strip().splitlines() or ["the file ends too early"])[0]
    return RecipeError(f"these weights are damaged or incomplete ({reason})", where=str(path), remedy="fetch the file again")


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """The dictionary of tensors in what a PyTorch file holds."""
    if isinstance(content, dict):
        for key in _INSIDE:
            if isinstance(content.get(key), dict):
                return _tensors(content[key], path)
        tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        if tensors and len(tensors) == len(content):
            return tensors
    raise RecipeError("this file has no dictionary of weights", where=str(path), remedy="save model.state_dict(), not the model or the optimiser")


def _unwrapped(found: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Without the prefixes that wrappers leave, unless the model has them itself."""
    own = model.state_dict()
    for prefix in _WRAPPERS:
        if all(name.startswith(prefix) for name in found) and not all(name.startswith(prefix) for name in own):
            found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    return found


def _other_outputs(found: dict[str, Tensor], own: dict[str, Tensor]) -> tuple[str, ...]:
    """Names of the last layer, where the file's has the same inputs but another number of outputs."""
    weight = next((name for name in reversed(own) if name.endswith("weight") and own[name].ndim > 1), "")
    theirs = found.get(weight)
    if theirs is None or theirs.shape[1:] != own[weight].shape[1:] or theirs.shape == own[weight].shape:
        return ()
    layer = weight.removesuffix("weight")
    return tuple(name for name in own if name.startswith(layer) and name.removeprefix(layer) in ("weight", "bias"))


def _missing(found: dict[str, Tensor], own: dict[str, Tensor], fresh: tuple[str, ...]) -> list[str]:
    # Older checkpoints of batch norms do not count batches.
    names = [name for name in own if name not in found and name not in fresh and not name.endswith("num_batches_tracked")]
    left = [name for name in found if name not in own]
    return [f"{name} is missing" + _like(name, left) for name in names]


def _extra(found: dict[str, Tensor], own: dict[str, Tensor]) -> list[str]:
    free = [name for name in own if name not in found]
    return [f"{name} is not in the model" + _like(name, free) for name in found if name not in own]


def _misshaped(found: dict[str, Tensor], own: dict[str, Tensor], fresh: tuple[str, ...]) -> list[str]:
    return [
        f"{name} is {_size(tensor)} in the file and {_size(own[name])} in the model"
        for name, tensor in found.items()
        if name in own and name not in fresh and tensor.shape != own[name].shape
    ]


def _like(name: str, names: list[str]) -> str:
    near = nearest(name, names)
    return f" (nearest: {near})" if near else ""


def _size(tensor: Tensor) -> str:
    return "×".join(str(length) for length in tensor.shape) or "one number"
