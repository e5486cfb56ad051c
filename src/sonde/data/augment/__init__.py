"""Image augmentation, batched on the device; every draw is a hash of (seed, epoch, example, place).

So it changes nothing how examples are cut into batches, in which order they come, or over how many processes. Boxes and masks
move along (scene.py). `--augment flip,rotate:15,erase:0.25:largest=0.3` names steps and their strengths, in the order of
the fields of the step's class or by name; whatever the order of the names, steps are taken in the order of `STEPS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import Field, dataclass, fields
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from sonde.data.augment.draws import Draws
from sonde.data.augment.mix import CutMix, Mixing, Mixup
from sonde.data.augment.scene import Scene
from sonde.data.contents import PICTURED, SCENES
from sonde.errors import RecipeError, did_you_mean

# name → module and class, in the order in which they are applied: pixels are moved first, then changed, then covered.
STEPS: dict[str, str] = {
    "shift": "sonde.data.augment.shift:Shift",
    "crop": "sonde.data.augment.crop:Crop",
    "flip": "sonde.data.augment.flip:Flip",
    "alternate-flip": "sonde.data.augment.flip:AlternateFlip",
    "flip-vertical": "sonde.data.augment.flip:FlipVertical",
    "rotate": "sonde.data.augment.rotate:Rotate",
    "affine": "sonde.data.augment.affine:Affine",
    "randaugment": "sonde.data.augment.rand_augment:RandAugment",
    "colour": "sonde.data.augment.colour:Colour",
    "grey": "sonde.data.augment.colour:Grey",
    "blur": "sonde.data.augment.blur:Blur",
    "noise": "sonde.data.augment.noise:Noise",
    "erase": "sonde.data.augment.erase:Erase",
}
# These take two examples and change labels, too; they come after all steps.
MIXES: dict[str, str] = {"mixup": "sonde.data.augment.mix:Mixup", "cutmix": "sonde.data.augment.mix:CutMix"}
NONE = "none"
WHERE = "data.augment"
TRIED = 64  # training pictures whose boxes are tried before the first step
TRIES = 16  # draws after which a step that has left none of a picture's boxes is taken to leave none ever


@runtime_checkable
class Step(Protocol):
    """One augmentation: a frozen dataclass whose fields are its strengths."""

    def __call__(self, scene: Scene, draws: Draws) -> Scene:
        """The scene as it is seen with these draws."""
        ...


@dataclass(frozen=True)
class Augmentation:
    """`steps` by name, in the order in which they are applied, with draws from `seed`."""

    steps: dict[str, Step]
    seed: int

    def __call__(self, images: Tensor, index: Tensor, epoch: int) -> Tensor:
        """The pictures of the examples `index`, uint8 or float in 0…255, as they are seen in `epoch`."""
        return self.scene(Scene(images), index, epoch).pictures

    def scene(self, scene: Scene, index: Tensor, epoch: int) -> Scene:
        """As above, with boxes and masks."""
        if len(index):
            for step in self.steps.values():
                scene = step(scene, Draws(self.seed, epoch, index))
        return scene

    def check_boxes(self, scene: Scene, index: Tensor) -> None:
        """Raises RecipeError where a step leaves none of some picture's boxes, however often it is drawn."""
        if scene.kept is None:
            return
        for name, step in self.steps.items():
            rows = scene.kept.any(1).nonzero()[:, 0]
            for epoch in range(TRIES):
                if not len(rows):
                    break
                rows = rows[~_some(step(scene.take(rows), Draws(self.seed, epoch, index[rows])))]
            if len(rows):
                first = int(index[rows[0]])
                raise RecipeError(
                    f"{name} leaves none of the boxes of {len(rows)} of {len(index)} pictures (example {first} first) in {TRIES} draws",
                    where=WHERE,
                    remedy=f"weaken it, such as {example(name)}, or leave it out",
                )


def _some(scene: Scene) -> Tensor:
    assert scene.kept is not None
    return scene.kept.any(1)


def augmentation(names: Sequence[str], *, seed: int) -> Augmentation | None:
    """The steps among `names` (`rotate:15`); None where there are none. Raises RecipeError as `parse` does."""
    chosen = parse(names)
    steps = {name: chosen[name] for name in STEPS if name in chosen}
    return Augmentation(steps, seed) if steps else None


def mixing(names: Sequence[str], *, seed: int) -> Mixing | None:
    """Mixup and CutMix among `names`; None where neither is. Raises RecipeError as `parse` does."""
    chosen = parse(names)
    mixup, cutmix = chosen.get("mixup"), chosen.get("cutmix")
    if mixup is None and cutmix is None:
        return None
    assert mixup is None or isinstance(mixup, Mixup)
    assert cutmix is None or isinstance(cutmix, CutMix)
    return Mixing(mixup, cutmix, seed)


def parse(names: Sequence[str]) -> dict[str, Any]:
    """`("rotate:15", "flip")` → the augmentations by name. Raises RecipeError for names, numbers and pairs that make no sense."""
    chosen: dict[str, Any] = {}
    for text in names:
        name, *given = (part.strip() for part in text.split(":"))
        if name not in (*STEPS, *MIXES, NONE):
            raise RecipeError(f"there is no augmentation {name!r}", where=WHERE, remedy=did_you_mean(name, [*STEPS, *MIXES, NONE]))
        if name in chosen:
            raise RecipeError(f"augmentation {name} stands there twice", where=WHERE, remedy="name it once")
        chosen[name] = _build(name, given) if name != NONE else None
    others = [name for name in chosen if name != NONE]
    if NONE in chosen and others:
        raise RecipeError(f"augmentation none goes with no other, not with {', '.join(others)}", where=WHERE, remedy="leave out none")
    if "flip" in chosen and "alternate-flip" in chosen:
        raise RecipeError("flip and alternate-flip undo each other", where=WHERE, remedy="leave out one of the two")
    return {name: value for name, value in chosen.items() if name != NONE}


def check(names: Sequence[str], *, kind: str, mixable: bool) -> None:
    """Raises RecipeError where data of this kind cannot be augmented, or mixed although their labels cannot."""
    chosen = parse(names)
    if chosen and kind not in PICTURED:
        what = f"augmentation is for pictures; these data are a {kind}"
        raise RecipeError(what, where=WHERE, remedy="leave out --augment; --set data.noise=0.1 adds noise to numbers")
    mixes = [name for name in chosen if name in MIXES]
    if mixes and kind in SCENES:
        what = f"{' and '.join(mixes)} mixes two pictures in one, which {kind} in them do not survive"
        raise RecipeError(what, where=WHERE, remedy=f"leave out {' and '.join(mixes)}; crop, affine, flip and colour move {kind} along")
    if mixes and not mixable:
        what = f"{' and '.join(mixes)} mixes the labels of two pictures, which this task and model have no loss for"
        raise RecipeError(what, where=WHERE, remedy=f"leave out {' and '.join(mixes)}; they are for classification and regression with a network")


def class_of(name: str) -> Any:
    """The class of an augmentation."""
    module, _, cls = {**STEPS, **MIXES}[name].partition(":")
    return getattr(importlib.import_module(module), cls)


def example(name: str) -> str:
    """The augmentation with its default strengths written out: `crop:0.08:1:1.33`."""
    return ":".join([name, *(f"{each.default:.3g}" for each in fields(class_of(name)))])


def _build(name: str, given: list[str]) -> Any:
    """The augmentation with the strengths `given`: numbers in the order of its fields, or `field=number`."""
    known = fields(class_of(name))
    values: dict[str, float | int] = {}
    for place, text in enumerate(given):
        key, equals, number = text.partition("=")
        if not equals:
            if place >= len(known):
                takes = f"takes {len(known)} ({', '.join(each.name for each in known)})" if known else "takes none"
                raise RecipeError(f"augmentation {name} is given {len(given)} values and {takes}", where=WHERE, remedy=f"write {example(name)}")
            key, number = known[place].name, text
        found = {each.name: each for each in known}.get(key)
        if found is None:
            remedy = did_you_mean(key, [each.name for each in known]) if known else f"write {name} alone"
            raise RecipeError(f"augmentation {name} has no {key!r}", where=WHERE, remedy=remedy)
        values[key] = _value(name, found, number)
    step = class_of(name)(**values)
    low, high = values.get("smallest"), values.get("largest")
    if (low is not None or high is not None) and step.smallest > step.largest:
        raise RecipeError(f"augmentation {name}: smallest {step.smallest:g} is over largest {step.largest:g}", where=WHERE, remedy=f"write {example(name)}")
    return step


def _value(name: str, field: Field[Any], text: str) -> float | int:
    """The number that `text` is. Raises RecipeError where it is none, or out of the field's range."""
    low, high, whole = field.metadata["low"], field.metadata["high"], isinstance(field.default, int)
    try:
        value: float | int = int(text) if whole else float(text)
    except ValueError:
        what = "a whole number" if whole else "a number"
        raise RecipeError(f"augmentation {name}: {field.name} is {what}, not {text!r}", where=WHERE, remedy=f"write {example(name)}") from None
    if not low <= value <= high:
        raise RecipeError(
            f"augmentation {name}: {field.name} lies in {low:g} … {high:g}, not at {value:g}", where=WHERE, remedy=f"write {example(name)}"
        )
    return value
