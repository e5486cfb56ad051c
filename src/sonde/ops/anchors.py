"""Anchors: boxes of a few shapes around every place of a feature map, from which a detector measures its boxes; points for those without anchors.

A place (row, column) of a map whose pixels are `stride` apart has its anchors' centre at ((column + centre)·stride, (row + centre)·stride).
Anchors come place by place, row by row, and at each place in the order of the shapes: (height · width · shape, 4).

A map's anchors depend on its size alone, so they are made once for each size and device and kept (`KEPT` of them). What is returned is
shared: it must not be written to.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.ops.boxes import centre_to_corners

Number = int | float
Shape = tuple[Number, Number]  # width, height
Stride = Number | tuple[Number, Number]  # pixels from one place to the next, both ways or down and across
KEPT = 256  # sets of anchors; the largest maps in use have some 10⁵ anchors, 2 MB

_made: OrderedDict[Hashable, Tensor] = OrderedDict()


def book_shapes(sizes: Sequence[Number], ratios: Sequence[Number]) -> tuple[Shape, ...]:
    """The n + m − 1 shapes of n sizes and m ratios: (s₁,r₁) … (s_n,r₁), (s₁,r₂) … (s₁,r_m), each (s·√r, s/√r).

    Not all n·m: those with s₁ or r₁ suffice (Zhang et al., "Dive into deep learning", section 14.4). ValueError without a size or a ratio.
    """
    _some(sizes, ratios)
    pairs = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    return tuple((size * ratio**0.5, size / ratio**0.5) for size, ratio in pairs)


def crossed_shapes(sizes: Sequence[Number], ratios: Sequence[Number], *, rounded: bool = False) -> tuple[Shape, ...]:
    """Every size with every ratio height/width, ratio by ratio: each (s/√r, s·√r), as region proposals use them (Ren et al. 2015, section 3.1.1).

    `rounded`: half widths and heights to whole pixels, as the published weights were trained. ValueError without a size or a ratio.
    """
    _some(sizes, ratios)
    shapes = [(size / ratio**0.5, size * ratio**0.5) for ratio in ratios for size in sizes]
    return tuple((2.0 * round(w / 2), 2.0 * round(h / 2)) for w, h in shapes) if rounded else tuple(shapes)


def ssd_shapes(scales: Sequence[Number], ratios: Sequence[Sequence[Number]], *, size: Number) -> tuple[tuple[Shape, ...], ...]:
    """The shapes of each level of SSD (Liu et al. 2016, section 2.2): for level k with scale s_k, in shares of the picture's `size` in pixels,

    (s_k, s_k), (√(s_k s_{k+1}), √(s_k s_{k+1})), and for each ratio a > 1 given (s_k√a, s_k/√a), (s_k/√a, s_k√a).
    `scales` has one entry more than `ratios`. No side is longer than the picture. ValueError where the lengths do not fit.
    """
    if len(scales) != len(ratios) + 1:
        raise ValueError(f"ssd_shapes: {len(ratios)} levels of ratios need {len(ratios) + 1} scales, not {len(scales)}")
    levels = []
    for (scale, following), extra in zip(pairwise(scales), ratios, strict=True):
        shapes = [(scale, scale), ((scale * following) ** 0.5, (scale * following) ** 0.5)]
        for ratio in extra:
            shapes += [(scale * ratio**0.5, scale / ratio**0.5), (scale / ratio**0.5, scale * ratio**0.5)]
        levels.append(tuple((min(w, 1.0) * size, min(h, 1.0) * size) for w, h in shapes))
    return tuple(levels)


def anchors(
    height: int,
    width: int,
    shapes: tuple[Shape, ...],
    *,
    stride: Stride,
    centre: Number = 0.5,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "anchor 4"]:
    """Corner boxes (height · width · shape, 4) in pixels of the picture, kept between calls.

    `stride`: pixels from one place to the next, one number or (down, across). `centre` 0.5: the middle of a place's pixels; 0: their
    corner, as in Faster R-CNN's published code. Nothing is cut at the picture's edge.
    """
    down, across = (stride, stride) if isinstance(stride, (int, float)) else stride

    def make() -> Tensor:
        x, y = _places(width, across, centre, device), _places(height, down, centre, device)
        size = torch.tensor(shapes, dtype=torch.float64, device=device).reshape(-1, 2)
        boxes = torch.empty(height, width, len(size), 4, dtype=torch.float64, device=device)
        boxes[..., 0], boxes[..., 1] = x[None, :, None], y[:, None, None]
        boxes[..., 2:] = size
        return centre_to_corners(boxes).reshape(-1, 4).to(dtype)

    return _kept(("anchors", height, width, shapes, down, across, centre, torch.device(device), dtype), make)


def unit_anchors(
    height: int,
    width: int,
    sizes: Sequence[Number],
    ratios: Sequence[Number],
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "anchor 4"]:
    """Corner boxes in shares of the picture: n + m − 1 at each place of a map, in the order of `book_shapes`, kept between calls.

    A size s is a share of the picture's height; a box of ratio r is s·√r heights wide and s/√r high, so that r = 1 is a square in pixels
    where the map has the picture's shape.
    """
    down, across = max(height, 1), max(width, 1)  # a map without places has no anchors, and no error
    shapes = tuple((w * down / across, h) for w, h in book_shapes(sizes, ratios))
    return anchors(height, width, shapes, stride=(1 / down, 1 / across), device=device, dtype=dtype)


def level_anchors(
    maps: Sequence[tuple[int, int]],
    shapes: Sequence[tuple[Shape, ...]],
    *,
    strides: Sequence[Stride],
    centre: Number = 0.5,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "anchor 4"]:
    """The anchors of several feature maps (height, width), one after the other: each level has its own shapes and stride."""

    def make() -> Tensor:
        levels = zip(maps, shapes, strides, strict=True)
        return torch.cat([anchors(h, w, own, stride=step, centre=centre, device=device, dtype=dtype) for (h, w), own, step in levels])

    return _kept(("levels", tuple(maps), tuple(shapes), tuple(strides), centre, torch.device(device), dtype), make)


def points(
    height: int, width: int, *, stride: Number, centre: Number = 0.5, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Float[Tensor, "place 2"]:
    """The centres (x, y) of all places in pixels of the picture, for heads without anchors; kept between calls."""

    def make() -> Tensor:
        y, x = torch.meshgrid(_places(height, stride, centre, device), _places(width, stride, centre, device), indexing="ij")
        return torch.stack([x, y], -1).reshape(-1, 2).to(dtype)

    return _kept(("points", height, width, stride, centre, torch.device(device), dtype), make)


def _places(count: int, stride: Number, centre: Number, device: torch.device | str) -> Tensor:
    # In float64, so that the same anchor is the same float32 number whatever the map's size.
    return (torch.arange(count, dtype=torch.float64, device=device) + centre) * stride


def _kept(key: Hashable, make: Callable[[], Tensor]) -> Tensor:
    """What was made for this key before, else what `make` makes."""
    if torch.compiler.is_compiling():
        return make()
    found = _made.get(key)
    if type(torch.empty(0)) is not Tensor:  # a model is being traced with stand-ins, which do not mix with tensors
        return make()
    if found is None:
        # Made in inference mode it could never take part in a training later.
        with torch.inference_mode(False), torch.no_grad():
            found = make()
        _made[key] = found
        if len(_made) > KEPT:
            _made.popitem(last=False)
    else:
        _made.move_to_end(key)
    return found


def _some(sizes: Sequence[Number], ratios: Sequence[Number]) -> None:
    if not sizes or not ratios:
        raise ValueError(f"anchors need at least one size and one ratio; there are {len(sizes)} and {len(ratios)}")
