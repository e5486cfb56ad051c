"""A systolic array (Kung & Leiserson 1978), element by element: Y = WX without any element ever reaching further than its neighbours.

Element (k, m) holds W[m, k]. In every cycle it takes the number of X that its left neighbour has worked on, and the partial sum that its upper
neighbour has made, adds W[m, k]·X[k, n], and keeps both for the next cycle. Row k of X enters at the left, one cycle after row k − 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def systolic_array(w: Array, x: Array) -> tuple[Array, Array]:
    """Y (m, n) = W (m, k) X (k, n), and the cycle, from 1, in which each number of Y left the grid."""
    (m, k), n = w.shape, x.shape[1]
    y, left = np.zeros((m, n), w.dtype), np.zeros((m, n), np.int64)
    number, total, column = np.zeros((k, m), w.dtype), np.zeros((k, m), w.dtype), np.full((k, m), -1)
    for cycle in range(1, n + k + m):
        for j in range(m):
            if column[-1, j] >= 0:  # the lowest element had finished a sum
                y[j, column[-1, j]], left[j, column[-1, j]] = total[-1, j], cycle
        for i in reversed(range(k)):  # from the end, so that neighbours still hold what they had in the cycle before
            for j in reversed(range(m)):
                if j > 0:
                    number[i, j], column[i, j] = number[i, j - 1], column[i, j - 1]
                else:
                    entering = cycle - 1 - i
                    column[i, j] = entering if 0 <= entering < n else -1
                    number[i, j] = x[i, entering] if column[i, j] >= 0 else 0
                above = total[i - 1, j] if i > 0 else w.dtype.type(0)
                total[i, j] = above + w[j, i] * number[i, j]
    return y, left
