"""Pictures as bags of visual words (Csurka et al. 2004), with a spatial pyramid (Lazebnik et al. 2006) and a linear SVM.

Before training, k-means cuts the local descriptors of the training pictures into `words`. A picture is then a histogram: how often each
word occurs in it, and in each cell of the pyramid. Every cell's histogram is divided by its sum and its square root taken, so that a
linear classifier compares by Hellinger's kernel (Arandjelović & Zisserman 2012, section 3) and every picture has length 1. Last, a
linear SVM a class against the others is fitted; its margins, times one number, are the logits. That number is the one whose
cross-entropy is least on margins of pictures that the SVM had not seen (Platt 1999, with a slope alone).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.errors import RecipeError
from sonde.ops import descriptors
from sonde.ops.k_means import k_means, nearest, starting_points

# Descriptors that the words are made from, and Lloyd's rounds at most: more of either changed no result.
SAMPLED, ROUNDS = 40_000, 30
# Pictures that are described together.
BLOCK = 64
FOLDS = 3
SCALES = np.geomspace(0.1, 100, 121)
# The logit of a class without an example.
NEVER = -1e4

Batches = Iterable[tuple[tuple[Tensor, ...], Tensor]]


@dataclass(frozen=True)
class Config:
    """`words` of the vocabulary; `pyramid`: its levels (1: the whole picture; 2: and its quarters; 3: and its sixteenths).

    `descriptors`: `dense` takes one of each of the sizes `patches` (multiples of 4, in pixels; those larger than the picture
    are left out) every `stride` pixels; `sift` takes them where scikit-image's SIFT finds key points, as large and turned
    as these are, in grey. `colour`: planes that dense descriptors are taken of, `grey` or `opponent` (van de Sande et al.
    2010, section 3: red against green, yellow against blue, and grey). `solver`: `svm` needs no epochs, `gradient` leaves
    the classifier to the optimiser (softmax regression of the histograms). `c` is the SVM's cost of a mistake.
    `channels`, `size` and `classes` come from the data.
    """

    channels: int = 0
    size: int = 0
    classes: int = 0
    words: int = 300
    pyramid: Literal[1, 2, 3] = 2
    descriptors: Literal["dense", "sift"] = "dense"
    patches: tuple[int, ...] = (12, 16, 24)
    stride: int = 4
    colour: Literal["grey", "opponent"] = "grey"
    solver: Literal["svm", "gradient"] = "svm"
    c: float = 10.0


VARIANTS: dict[str, Config] = {"visual-words": Config()}


# What the classifier's weights are called since they are a layer of their own; runs of before have the short names.
_RENAMED = {name: f"classifier.{name}" for name in ("weight", "bias", "scale")}


class Margins(nn.Module):
    """A linear layer whose margins are multiplied by one number, `scale`, to logits. It starts at 0, the number at 1."""

    scale: Tensor

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, features))
        self.bias = nn.Parameter(torch.zeros(classes))
        self.register_buffer("scale", torch.ones(()))

    def forward(self, features: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch class"]:
        """Map histograms to logits."""
        return self.scale * torch.addmm(self.bias, features, self.weight.T)


class VisualWords(nn.Module):
    """Pictures to logits by way of words. The words start at random points, the classifier at 0."""

    stages: ClassVar[dict[str, tuple[str, ...]]] = {"stem": ("words",), "head": ("classifier",)}
    words: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        _check(config)
        self.config = config
        self.planes = 3 if config.colour == "opponent" and config.channels == 3 and config.descriptors == "dense" else 1
        self.patches = tuple(patch for patch in config.patches if patch <= config.size)
        cells = sum(4**level for level in range(config.pyramid))
        self.register_buffer("words", torch.rand(config.words, descriptors.LENGTH * self.planes) * 0.2)
        self.classifier = Margins(cells * config.words, config.classes)
        self.register_load_state_dict_pre_hook(_with_own_names)

    def own_name(self, name: str) -> str:
        """What the classifier's weight is called that runs of before called `name`; the same for all others."""
        return _RENAMED.get(name, name)

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch class"]:
        """Map images of the Config's size to logits."""
        logits: Tensor = self.classifier(self.histograms(images))
        return logits

    @torch.no_grad()
    def histograms(self, images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch feature"]:
        """How often each word occurs, cell by cell of the pyramid, as said at the head of the file; rows of length 1."""
        if torch.compiler.is_compiling():
            return self._counted(*self._described(images))
        parts = [self._counted(*self._described(part)) for part in images.split(BLOCK)]
        return torch.cat(parts) if parts else images.new_zeros(0, self.classifier.weight.shape[1])

    @torch.no_grad()
    def start(self, batches: Batches) -> None:
        """Make the words: k-means of descriptors at random places of all training pictures."""
        count = sum(len(inputs[0]) for inputs, _ in batches)
        quota = -(-SAMPLED // max(count, 1))
        sample = []
        for inputs, _ in batches:
            for part in inputs[0].split(BLOCK):
                found, _ = self._described(part)
                for rows in found:
                    known = rows[rows.any(1)]
                    sample.append(known[torch.randperm(len(known))[:quota].to(known.device)])
        points = torch.cat(sample)
        if len(points) < len(self.words):
            raise RecipeError(
                f"the training pictures have {len(points)} descriptors, too few for {len(self.words)} words",
                where="model.words",
                remedy=f"use fewer words: --set model.words={max(1, len(points) // 10)}",
            )
        centres, _ = k_means(points, starting_points(points, len(self.words)), rounds=ROUNDS)
        self.words.copy_(centres)

    @torch.no_grad()
    def finish(self, batches: Batches, emit: Callable[[dict[str, Any]], None]) -> None:
        """Fit the SVM to the histograms of all training pictures, and the scale of its margins to folds of them."""
        if self.config.solver == "gradient":
            return
        features, targets = [], []
        for inputs, wanted in batches:
            features.append(self.histograms(inputs[0]).cpu())
            targets.append(wanted.cpu())
        x, y = torch.cat(features).double().numpy(), torch.cat(targets).numpy()
        head = self.classifier
        weight, bias = _svm(x, y, classes=len(head.bias), c=self.config.c)
        scale = _scale(x, y, classes=len(head.bias), c=self.config.c)
        for tensor, fitted in ((head.weight, weight), (head.bias, bias), (head.scale, np.asarray(scale))):
            tensor.copy_(torch.from_numpy(fitted))
        message = f"{len(self.words)} visual words, {x.shape[1]} numbers a picture; a linear SVM a class on {len(x)} pictures"
        emit({"event": "model", "name": "visual-words", "words": len(self.words), "numbers": x.shape[1], "scale": scale, "message": message})

    def _described(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Descriptors (batch, place, number), a row of 0 where there is none, and where they stand, (batch or 1, place, 2) in 0 … 1."""
        if self.config.descriptors == "sift":
            return _key_points(_grey(images))
        planes = _opponent(images) if self.planes == 3 else _grey(images)
        found = [descriptors.dense_descriptors(planes, patch=patch, stride=self.config.stride) for patch in self.patches]
        where = [descriptors.places(self.config.size, patch=patch, stride=self.config.stride) for patch in self.patches]
        return torch.cat(found, 1), torch.cat(where)[None].to(planes)

    def _counted(self, found: Tensor, where: Tensor) -> Tensor:
        """The histograms of descriptors (batch, place, number) at `where` (batch or 1, place, 2)."""
        labels = nearest(found.flatten(0, 1), self.words)[0].view(found.shape[:2])
        ones = (labels[..., None] == torch.arange(len(self.words), device=labels.device)).to(found.dtype)
        ones = ones * (found != 0).any(2, keepdim=True)
        levels = []
        for level in range(self.config.pyramid):
            side = 2**level
            cell = (where * side).floor().clamp(max=side - 1)
            number = cell[..., 0] * side + cell[..., 1]
            inside = (number[:, None] == torch.arange(side * side, device=number.device).to(number.dtype)[:, None]).to(found.dtype)
            counts = inside.expand(ones.shape[0], -1, -1) @ ones
            share = counts / counts.sum(2, keepdim=True).clamp(min=1)
            levels.append(share.sqrt().flatten(1) * _level_weight(level, self.config.pyramid))
        joined = torch.cat(levels, 1)
        return joined / joined.square().sum(1, keepdim=True).sqrt().clamp(min=torch.finfo(joined.dtype).tiny)


def smallest(config: Config) -> int:
    """Least height and width in pixels: one patch."""
    return min(config.patches)


def _check(config: Config) -> None:
    if config.words < 1 or config.stride < 1 or not config.patches or any(patch < 4 or patch % 4 for patch in config.patches):
        found = f"words {config.words}, stride {config.stride}, patches {list(config.patches)}"
        raise RecipeError(f"no visual words can be made so: {found}", where="model.config", remedy="patches are multiples of 4, words and stride above 0")


def _with_own_names(module: nn.Module, weights: dict[str, Any], prefix: str, *_: Any) -> None:
    """Give weights of before their present names, before they are loaded."""
    for before, now in _RENAMED.items():
        if f"{prefix}{before}" in weights:
            weights[f"{prefix}{now}"] = weights.pop(f"{prefix}{before}")


def _level_weight(level: int, levels: int) -> float:
    """Finer levels weigh twice as much each (Lazebnik et al. 2006, equation 3); the root of it, for features, per cell of a level."""
    share = 2.0 ** -(levels - 1) if level == 0 else 2.0 ** (level - levels)
    return float((share / 4**level) ** 0.5)


def _grey(images: Tensor) -> Tensor:
    """Luma of three channels, the mean of others, (batch, 1, height, width)."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    red, green, blue = images.split(1, 1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _opponent(images: Tensor) -> Tensor:
    red, green, blue = images.split(1, 1)
    return torch.cat([(red - green) / 2**0.5, (red + green - 2 * blue) / 6**0.5, (red + green + blue) / 3**0.5], 1)


def _key_points(grey: Tensor) -> tuple[Tensor, Tensor]:
    """SIFT of scikit-image, of each picture scaled to 0 … 1. Raises RecipeError where scikit-image is not installed."""
    try:
        from skimage.feature import SIFT
    except ImportError:
        raise RecipeError(
            "SIFT's key points come from scikit-image, which is not installed",
            where="model.descriptors",
            remedy="pip install 'sonde[classical]', or use --set model.descriptors=dense",
        ) from None
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for picture in grey[:, 0].double().cpu().numpy():
        low, high = picture.min(), picture.max()
        detector = SIFT()
        try:
            detector.detect_and_extract((picture - low) / (high - low) if high > low else picture - low)
            described = np.asarray(detector.descriptors, dtype=np.float64)
            length = np.maximum(np.linalg.norm(described, axis=1, keepdims=True), 1)
            found.append((described / length, (np.asarray(detector.keypoints) + 0.5) / picture.shape))
        except RuntimeError:  # no key point was found
            found.append((np.zeros((0, descriptors.LENGTH)), np.zeros((0, 2))))
    most = max([1, *(len(rows) for rows, _ in found)])
    rows, where = grey.new_zeros(len(found), most, descriptors.LENGTH), grey.new_zeros(len(found), most, 2)
    for number, (described, places) in enumerate(found):
        rows[number, : len(described)] = torch.from_numpy(described).to(rows)
        where[number, : len(places)] = torch.from_numpy(places).to(where)
    return rows, where


def _svm(x: np.ndarray, y: np.ndarray, *, classes: int, c: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights (class, feature) and biases (class,) of one linear SVM a class against all others; 0 and NEVER for classes without examples."""
    from sklearn.svm import LinearSVC

    weight, bias = np.zeros((classes, x.shape[1])), np.full(classes, NEVER)
    present = np.unique(y)
    if len(present) < 2:
        bias[present] = 0
        return weight, bias
    fitted = LinearSVC(C=c, dual=False).fit(x, y)  # Newton's method: no draws, and fast where a row has many numbers
    if len(present) == 2:  # one margin tells both
        weight[present], bias[present] = np.concatenate([-fitted.coef_, fitted.coef_]) / 2, np.array([-0.5, 0.5]) * fitted.intercept_
    else:
        weight[present], bias[present] = fitted.coef_, fitted.intercept_
    return weight, bias


def _scale(x: np.ndarray, y: np.ndarray, *, classes: int, c: float) -> float:
    """The factor of the margins whose softmax has the least cross-entropy on folds that were held out; 1 for too few examples."""
    if np.bincount(y, minlength=classes)[np.unique(y)].min() < FOLDS:
        return 1.0
    # Each fold has every FOLDS-th example of each class.
    rank = np.empty(len(y), dtype=np.int64)
    order = np.argsort(y, kind="stable")
    rank[order] = np.arange(len(y)) - np.searchsorted(y[order], y[order])
    margins = np.empty((len(y), classes))
    for fold in range(FOLDS):
        held = rank % FOLDS == fold
        weight, bias = _svm(x[~held], y[~held], classes=classes, c=c)
        margins[held] = x[held] @ weight.T + bias
    losses = []
    for scale in SCALES:
        logits = scale * margins
        top = logits.max(1, keepdims=True)
        losses.append(float(np.mean(np.log(np.exp(logits - top).sum(1)) + top[:, 0] - logits[np.arange(len(y)), y])))
    return float(SCALES[int(np.argmin(losses))])


def build(config: Config) -> VisualWords:
    """The model; its words wait for `start`, its classifier for `finish`."""
    return VisualWords(config)
