"""Weights from a file, safetensors or PyTorch's own. The one place that opens the latter, and only weights-only.

A PyTorch file is a pickle, which may run any program when it is loaded. Weights-only loading knows tensors and plain
containers and refuses everything else.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from sonde.errors import RecipeError, nearest
from sonde.nn.stages import Bodied, NewHead, Renamed, is_in, output_layers

# Where a training script's checkpoint keeps its weights, and what wrappers put before each name.
_INSIDE = ("state_dict", "model_state_dict", "model", "weights")
_WRAPPERS = ("module.", "_orig_mod.", "network.")
_IN_A_FOLDER = ("weights.safetensors", "model.safetensors", "pytorch_model.bin")
# Classifiers that serve training alone, by their published names: a file or a model may be without them.
AUXILIARY = ("aux1", "aux2", "AuxLogits")
# Parts that a published network has in one use and not in another: BERT's pooler, and its heads of pre-training and of questions.
PER_USE = ("bert.pooler", "cls", "qa_outputs")
# Of each kind of thing that does not fit so many are listed.
_SHOWN = 5
# Numbers that batch norms count batches with: older files lack them, and nothing is computed from them.
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Loaded:
    """What came from the file.

    `taken`: how many tensors. `fresh`: those of the classifier that stayed as drawn. `unused`: layers of the file that the model
    has no use for (auxiliary classifiers, a classifier built otherwise). `kept`: rows of the file's classifier that were taken over.
    """

    where: str
    taken: int
    fresh: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    kept: int = 0

    @property
    def message(self) -> str:
        """One sentence for the log."""
        said = [f"{self.taken} tensor{'s' if self.taken != 1 else ''} taken from {self.where}"]
        if self.fresh:
            said.append(f"{', '.join(self.fresh)} start anew" + (f", but for {self.kept} rows kept" if self.kept else ""))
        if self.unused:
            said.append(f"{', '.join(self.unused)} of the file {'is' if len(self.unused) == 1 else 'are'} not used")
        return "; ".join(said)


def load(path: Path, model: nn.Module) -> Loaded:
    """Put the weights of `path` into `model`; a folder stands for the weights in it. See `fill` and `read` for what can go wrong."""
    path = file_in(path)
    return fill(model, read(path), where=str(path))


def fill(
    model: nn.Module,
    tensors: dict[str, Tensor],
    *,
    where: str,
    new_head: bool = False,
    rows: Mapping[int, int] | None = None,
    advice: Callable[[], str] | None = None,
) -> Loaded:
    """Put named tensors into `model`.

    Every tensor of the model must be there with its shape, and the other way round, but for the classifier: its last layer stays
    as drawn where the numbers of outputs differ, where it is built otherwise, or with `new_head`; so do auxiliary classifiers,
    which either side may lack. `rows` (row of the model → row of the file) of such a last layer are kept all the same. Raises
    RecipeError that lists what does not fit with the nearest names, and then says `advice`, which is asked for only then.

    A detector or segmenter (`Bodied`) also takes the weights of the classifier that its body is of; all else then stays as drawn.
    """
    found, own = unwrapped(tensors, model), model.state_dict()
    if isinstance(model, Bodied) and not found.keys() & own.keys():
        return _fill_body(model, model.body_keys(), found, where=where, advice=advice)
    fresh, unused = _classifiers(found, own, model, new_head=new_head)
    rest = {name: tensor for name, tensor in found.items() if not is_in(name, unused) and (name in own or not name.endswith(_COUNTER))}
    problems = _missing(rest, own, fresh) + _extra(rest, own) + _misshaped(rest, own, fresh)
    if problems:
        remedy = advice() if advice is not None else "use weights of this very model, or set model.… to the sizes they were trained with"
        raise RecipeError("these weights do not fit the model:\n  " + "\n  ".join(problems), where=where, remedy=remedy)
    taken = {name: tensor for name, tensor in rest.items() if name not in fresh}
    kept = _kept(found, own, model, fresh, rows or {})
    model.load_state_dict(taken | kept, strict=False)
    return Loaded(where, len(taken), fresh, tuple(sorted(set(unused))), len(rows or {}) if kept else 0)


def _fill_body(model: nn.Module, names: Mapping[str, str], found: dict[str, Tensor], *, where: str, advice: Callable[[], str] | None) -> Loaded:
    """Put a classifier's weights into the body that `names` (own name → the classifier's) describes."""
    own = model.state_dict()
    body = {name: own[name] for name in names}
    taken = {name: found[theirs] for name, theirs in names.items() if theirs in found}
    problems = _missing(taken, body, ()) + _misshaped(taken, body, ())
    if problems:
        remedy = advice() if advice is not None else "use weights of this very model, or of a classifier with the same body"
        raise RecipeError("these weights fit neither the model nor its body:\n  " + "\n  ".join(problems), where=where, remedy=remedy)
    model.load_state_dict(taken, strict=False)
    fresh = tuple(dict.fromkeys(name.partition(".")[0] for name in own if name not in names))
    used = set(names.values())
    unused = {name.rpartition(".")[0] for name in found if name not in used}
    return Loaded(where, len(taken), fresh, tuple(sorted(unused)))


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
        except safetensors.SafetensorError:
            raise _damaged(path) from None
    what = "this is neither a safetensors nor a PyTorch file"
    raise RecipeError(what, where=str(path), remedy="give --weights a .safetensors, .pt, .pth or .bin file of weights")


def file_in(path: Path) -> Path:
    """The file itself, or the weights in a folder. Raises RecipeError for a folder without."""
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
        raise _damaged(path) from None
    except (RuntimeError, EOFError, ValueError, OSError, KeyError, AttributeError):
        raise _damaged(path) from None


def _damaged(path: Path) -> RecipeError:
    """What a library says of such a file is about its own insides; the size tells a reader whether all of it came."""
    what = f"this file of weights is cut short or damaged; it has {path.stat().st_size:,} bytes"
    return RecipeError(what, where=str(path), remedy="compare with the size that it has at its source, and fetch it again")


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


def unwrapped(found: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """`found` without the prefixes that wrappers leave, unless the model has them itself, and by the model's own names for old ones."""
    own = model.state_dict()
    for prefix in _WRAPPERS:
        if all(name.startswith(prefix) for name in found) and not all(name.startswith(prefix) for name in own):
            found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    return {model.own_name(name): tensor for name, tensor in found.items()} if isinstance(model, Renamed) else found


def _classifiers(
    found: dict[str, Tensor], own: dict[str, Tensor], model: nn.Module, *, new_head: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the model's that stay as drawn, and layers of the file that are not used."""
    fresh: list[str] = []
    unused: list[str] = []
    for layer in [*output_layers(model), *_auxiliary(own)]:
        names = [name for name in own if is_in(name, (layer,))]
        theirs = [name for name in found if is_in(name, (layer,))]
        if names != theirs and set(names) != set(theirs):
            fresh += names
            unused += [layer] if theirs else []
        elif new_head or any(_other_outputs(found[name], own[name]) for name in names):
            fresh += names
    aside = (*AUXILIARY, *PER_USE)
    missing = [prefix for prefix in aside if not _below(prefix, found)]
    fresh += [name for name in own if is_in(name, tuple(missing)) and name not in fresh]
    unused += [prefix for prefix in aside if _below(prefix, found) and not _below(prefix, own)]
    return tuple(fresh), tuple(unused)


def _auxiliary(own: dict[str, Tensor]) -> list[str]:
    """The last layer of each auxiliary classifier that the model has."""
    found = []
    for prefix in AUXILIARY:
        weights = [name for name in _below(prefix, own) if name.endswith(".weight") and own[name].ndim > 1]
        found += [weights[-1].removesuffix(".weight")] if weights else []
    return found


def _below(prefix: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if is_in(name, (prefix,))]


def _other_outputs(theirs: Tensor, own: Tensor) -> bool:
    """Whether two tensors differ in their first length, the number of outputs, alone."""
    return theirs.ndim > 0 and _same_features(theirs, own) and theirs.shape[0] != own.shape[0]


def _kept(
    found: dict[str, Tensor], own: dict[str, Tensor], model: nn.Module, fresh: tuple[str, ...], rows: Mapping[int, int]
) -> dict[str, Tensor]:
    """The last layers that start anew, with some rows of the file's, and with the one number that multiplies them all.

    A layer with other inputs has no rows to keep, nor has one behind hidden layers, which are drawn anew as well.
    """
    new, old = list(rows.keys()), list(rows.values())
    hidden = tuple(layer for layer in output_layers(model) if isinstance(model.get_submodule(layer), NewHead))
    kept: dict[str, Tensor] = {}
    for layer in dict.fromkeys(name.rpartition(".")[0] for name in fresh) if rows else ():
        names = [name for name in fresh if name.rpartition(".")[0] == layer]
        if is_in(layer, hidden) or not all(name in found and _same_features(found[name], own[name]) for name in names):
            continue
        for name in names:
            kept[name] = found[name].to(own[name].dtype)
            if own[name].ndim:
                kept[name] = own[name].clone()
                kept[name][new] = found[name][old].to(own[name].dtype)
    return kept


def _same_features(theirs: Tensor, own: Tensor) -> bool:
    """Whether two tensors differ in their first length, the number of outputs, at most."""
    return theirs.ndim == own.ndim and theirs.shape[1:] == own.shape[1:]


def _missing(found: dict[str, Tensor], own: dict[str, Tensor], fresh: tuple[str, ...]) -> list[str]:
    names = [name for name in own if name not in found and name not in fresh and not name.endswith(_COUNTER)]
    left = [name for name in found if name not in own]
    return _some([f"{name} is missing" + _like(name, left) for name in names], "are missing")


def _extra(found: dict[str, Tensor], own: dict[str, Tensor]) -> list[str]:
    free = [name for name in own if name not in found and not name.endswith(_COUNTER)]
    return _some([f"{name} is not in the model" + _like(name, free) for name in found if name not in own], "are not in the model")


def _misshaped(found: dict[str, Tensor], own: dict[str, Tensor], fresh: tuple[str, ...]) -> list[str]:
    lines = [
        f"{name} is {_size(tensor)} in the file and {_size(own[name])} in the model"
        for name, tensor in found.items()
        if name in own and name not in fresh and tensor.shape != own[name].shape
    ]
    return _some(lines, "have other shapes")


def _some(lines: list[str], what: str) -> list[str]:
    """The first lines of one kind, and how many more `what`: each kind has its share, so that none hides another."""
    return lines if len(lines) <= _SHOWN else [*lines[:_SHOWN], f"… and {len(lines) - _SHOWN} more {what}"]


def _like(name: str, names: list[str]) -> str:
    near = nearest(name, names)
    return f" (nearest: {near})" if near else ""


def _size(tensor: Tensor) -> str:
    return "×".join(str(length) for length in tensor.shape) or "one number"
