"""Who gets which examples of a step: cut over the ranks, and each rank's share into the pieces that its gradients add up over."""

from __future__ import annotations


def cut(size: int, parts: int, part: int) -> tuple[int, int]:
    """Where part `part` of `parts` contiguous ones begins and ends; the first ones are larger by one where they must."""
    each, more = divmod(size, parts)
    begin = part * each + min(part, more)
    return begin, begin + each + (part < more)


def pieces(size: int, *, world_size: int, rank: int, accumulate: int) -> list[tuple[int, int]]:
    """Where this rank's pieces of a step of `size` examples begin and end; one may be empty.

    There are as many on every rank, as their collectives must meet, and no more than the largest share has examples. All ranks' pieces in
    order are the same examples however the step is cut.
    """
    begin, end = cut(size, world_size, rank)
    count = min(accumulate, max(1, -(-size // world_size)))
    return [(begin + low, begin + high) for low, high in (cut(end - begin, count, piece) for piece in range(count))]
