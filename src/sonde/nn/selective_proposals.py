"""Proposals of selective search for a batch of pictures as a network sees them, kept for pictures that come again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.nn.region_proposals import Proposals
from sonde.ops.selective_search import selective_search
from sonde.ops.values import has_values

# Networks see normalised colours, and segments are found in colours of 0 … 255: these are about the mean and the spread of photographs.
# Where the data's own differ, contrasts are a little stronger or weaker, which moves the segments' sizes a little.
MEAN, SPREAD = 115.0, 60.0
# Pictures of which the proposals are kept: at 2,000 boxes 32 kB each.
KEPT = 8192


class SelectiveProposals:
    """At most `most` boxes of each picture. A picture is known by its pixels, so that flipped or moved it has proposals of its own.

    Some tenths of a second a picture on one core, the first time.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._found: OrderedDict[bytes, Tensor] = OrderedDict()

    @torch.no_grad()
    def __call__(self, images: Float[Tensor, "picture channel height width"]) -> Proposals:
        """Boxes (picture, proposal, 4) in pixels, padded to the longest list; at least one row, so that there is something to gather."""
        if not has_values(images):  # as many as there may be
            empty = images.new_zeros(len(images), self.most, 4)
            return Proposals(empty, empty[..., 0] == 0)
        pictures = (images.detach().float() * SPREAD + MEAN).round().clamp(0, 255).to(torch.uint8).cpu()
        lists = [self._of(picture) for picture in pictures]
        longest = max([1, *(len(boxes) for boxes in lists)])
        boxes = torch.zeros(len(lists), longest, 4)
        for number, found in enumerate(lists):
            boxes[number, : len(found)] = found
        counts = torch.tensor([len(found) for found in lists], dtype=torch.int64)
        real = torch.arange(longest) < counts[:, None]
        return Proposals(boxes.to(images), real.to(images.device))

    def _of(self, picture: Tensor) -> Tensor:
        key = hashlib.blake2b(picture.numpy().tobytes() + str(tuple(picture.shape)).encode(), digest_size=16).digest()
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = selective_search(picture.float(), most=self.most)
            if len(self._found) > KEPT:
                self._found.popitem(last=False)
        else:
            self._found.move_to_end(key)
        return found
