"""Arrays that record: access, broadcasting, writing in place, going back, and every way to ask for the impossible."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch

from sonde.scratch.row import OperationError
from sonde.scratch.tensor import Tensor, as_tensor, concatenate, einsum, gradients, no_record, pad, stack, take, where, windows


def leaf(*shape: int) -> Tensor:
    return Tensor(np.arange(1.0, 1 + np.prod(shape, dtype=int)).reshape(shape), requires_grad=True)


# --- arrays -------------------------------------------------------------------------------------------------------------------


def test_regions_and_strides_of_a_square() -> None:
    x = leaf(4, 4)
    assert x[1:3, 1:].data.tolist() == [[6, 7, 8], [10, 11, 12]]
    assert x[::3, ::2].data.tolist() == [[1, 3], [13, 15]]
    assert x[1].data.tolist() == [5, 6, 7, 8] and x[:, 1].data.tolist() == [2, 6, 10, 14] and x[1, 1].item() == 6
    assert x[-1, -1].item() == 16 and x[None].shape == (1, 4, 4) and x[..., 0].shape == (4,)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4), (2, 3, 4, 5), (2, 3, 4, 5, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_from_scalar_to_video(shape: tuple[int, ...], dtype: type) -> None:
    rng = np.random.default_rng(0)
    for made in (np.full(shape, 3, dtype), rng.uniform(size=shape).astype(dtype), rng.normal(size=shape).astype(dtype)):
        x = Tensor(np.asarray(made), requires_grad=True)
        assert x.shape == shape and x.ndim == len(shape) and x.dtype == dtype and x.size == np.prod(shape, dtype=int)
        (x * x).sum().backward()
        assert x.grad is not None and x.grad.dtype == dtype
        assert np.array_equal(x.grad, 2 * made)


def test_what_becomes_a_tensor() -> None:
    assert Tensor(2).dtype == np.float64 and Tensor([[1, 2]]).shape == (1, 2) and Tensor([1, 2]).dtype == np.float64
    assert Tensor(np.float32(2)).dtype == np.float32 and Tensor(np.arange(3)).dtype == np.int64
    array = np.zeros(3, np.float32)
    assert Tensor(array).data is array  # taken as it is
    x = leaf(2)
    assert as_tensor(x) is x and Tensor(x).data is x.data
    assert len(leaf(3, 2)) == 3 and [row.shape for row in leaf(3, 2)] == [(2,)] * 3
    assert repr(leaf(2)) == "Tensor(array([1., 2.]))" and repr(leaf(2) + 1) == "Tensor(array([2., 3.]), from add)"


def test_numbers_and_arrays_on_either_side() -> None:
    x, a = Tensor(np.array([1.0, 2.0], np.float32)), np.array([3.0, 4.0], np.float32)
    for found, expected in [
        (1 + x, [2, 3]),
        (1 - x, [0, -1]),
        (2 * x, [2, 4]),
        (2 / x, [2, 1]),
        (2**x, [2, 4]),
        (a + x, [4, 6]),
        (a - x, [2, 2]),
        (a @ x, 11),
        (x @ a, 11),
        (np.float32(2) * x, [2, 4]),
        (-x, [-1, -2]),
    ]:
        assert isinstance(found, Tensor) and found.dtype == np.float32
        assert found.data.tolist() == expected


def test_comparisons_are_arrays_of_bool() -> None:
    x = leaf(3)
    for found, expected in [(x > 2, [0, 0, 1]), (x >= 2, [0, 1, 1]), (x < 2, [1, 0, 0]), (x <= x, [1, 1, 1]), (x == 2, [0, 1, 0])]:
        assert isinstance(found, np.ndarray) and found.dtype == bool and found.astype(int).tolist() == expected
    assert (x != np.array([1, 0, 3])).tolist() == [False, True, False]
    assert len({x, x, leaf(3)}) == 2  # tensors are keys by identity


def test_broadcasting_is_undone_in_gradients() -> None:
    x, row, column, one = leaf(2, 3), leaf(3), leaf(2, 1), leaf()
    (x * row * column + one).sum().backward()
    assert row.grad is not None and row.grad.tolist() == [9, 12, 15]
    assert column.grad is not None and column.grad.tolist() == [[14], [32]]
    assert one.grad is not None and one.grad.tolist() == 6
    (one * 2 + one * 3 + one * 4 + one).backward()
    assert one.grad.tolist() == 16


# --- views and writing in place -----------------------------------------------------------------------------------------------


def test_views_share_memory() -> None:
    x = Tensor(np.zeros((3, 4)))
    for view in (x[1:], x.T, x.reshape(4, 3), x.swap(0, 1), x[None], windows(x, (2,), (1,), (1,)), x.detach(), einsum("ij->ji", x)):
        assert np.shares_memory(view.data, x.data)
    x[1:][0, 0] = 5  # a region of a region
    assert x.data[1, 0] == 5


def test_writing_allocates_nothing() -> None:
    x = Tensor(np.zeros((3, 4)))
    memory = x.data
    x[0] = 1
    x[1:3, ::2] = np.array([[2], [3]])
    x += 1
    x *= np.arange(4)
    x -= x
    x /= 2
    assert x.data is memory and not memory.any()


def test_gradients_through_writes() -> None:
    x, v = leaf(3), leaf()
    y = x * 2
    before = y * 3  # uses the values of y before the write
    y[1] = v
    y += 1
    (before.sum() + (y * np.array([1.0, 10.0, 100.0])).sum()).backward()
    assert x.grad is not None and x.grad.tolist() == [8, 6, 206]
    assert v.grad is not None and v.grad.tolist() == 10


def test_a_constant_that_is_written_to_starts_to_record() -> None:
    h, x = Tensor(np.zeros((2, 2))), leaf(2)
    h[0] = x
    h[1] = x * x
    h.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [3, 5]


@pytest.mark.parametrize(
    ("use", "name"),
    [
        (lambda y: y * y, "multiply"),
        (lambda y: y / 2 + y**2, "power"),
        (lambda y: y.exp(), "exp"),
        (lambda y: y.log(), "log"),
        (lambda y: y @ y, "matmul"),
        (lambda y: y.max(), "max"),
    ],
)
def test_a_changed_value_that_backward_needs(use: Callable[[Tensor], Tensor], name: str) -> None:
    """Refused, as PyTorch does; through a view of the same memory too."""
    for write in ("whole", "part", "plus"):
        x = leaf(3)
        y = x + 0
        z = use(y)
        target = z if name == "exp" else Tensor(y) if write == "whole" else y  # the same memory under another name
        if write == "whole":
            target[:] = 1
        elif write == "part":
            target[0] = 1
        else:
            target += 1
        with pytest.raises(OperationError, match=rf"backward of {name}: its (input 0|result) of shape \(3,\) was changed in place"):
            z.sum().backward()


def test_a_constant_changed_behind_the_graph() -> None:
    x, c = leaf(2), Tensor(np.ones(2))
    y = (x * c).sum()
    c[1:][0] = 5  # through a view
    with pytest.raises(OperationError, match=r"backward of multiply: its input 1 of shape \(2,\) was changed in place"):
        y.backward()


def test_a_change_that_backward_does_not_need_is_fine() -> None:
    x = leaf(2)
    y = x * 3  # needs 3, not x
    z = y + 1
    y *= 2
    (y + z).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [9, 9]


def test_a_view_taken_before_the_write_is_refused() -> None:
    x = leaf(3) * 1
    view = x[1:]
    x[1] = 0
    with pytest.raises(OperationError, match=r"multiply: its input of shape \(2,\), made by index, was changed in place"):
        view * 2


def test_leaves_and_views_are_not_written_to_while_recording() -> None:
    x = leaf(3)
    with pytest.raises(OperationError, match=r"add in place: a leaf of shape \(3,\) that asks for a gradient; write inside no_record"):
        x += 1
    with pytest.raises(OperationError, match=r"write in place: a view of shape \(2,\)"):
        (x * 2)[1:][0] = 1.0
    with no_record():
        x -= 1
    assert x.data.tolist() == [0, 1, 2] and x.requires_grad
    (x * x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 2, 4]


def test_no_record() -> None:
    x = leaf(3)
    with no_record():
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad and not x.detach().requires_grad


# --- going back ---------------------------------------------------------------------------------------------------------------


def test_the_example_at_the_top() -> None:
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    ((3 * x) ** 2).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [18, 36]


def test_gradients_accumulate_and_own_their_memory() -> None:
    x, y = leaf(2), leaf(2)
    for _ in range(2):
        (x + y).sum().backward()
    assert x.grad is not None and y.grad is not None
    assert x.grad.tolist() == [2, 2] and not np.shares_memory(x.grad, y.grad)
    z, given = leaf(2), np.ones(2)
    (z + 0).backward(given)
    assert z.grad is not None and not np.shares_memory(z.grad, given)
    z.backward(given)
    assert z.grad.tolist() == [2, 2] and given.tolist() == [1, 1]


def test_a_value_used_many_times() -> None:
    x = leaf(3)
    y = x * 1
    for _ in range(4):
        y = y + y
    (y * x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [32, 64, 96]


def test_depth_has_no_limit() -> None:
    x = leaf(2)
    y = x
    for _ in range(20_000):
        y = y + 1
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [1, 1]


def test_backward_twice() -> None:
    x = leaf(2)
    y = (x * x).sum()
    y.backward()
    y.backward()
    assert x.grad is not None and x.grad.tolist() == [4, 8]


def test_gradients_of_nodes_inside() -> None:
    x = leaf(2)
    y = x * 3
    z = (y * y).sum()
    inner, outer, none = gradients(z, [y, x, leaf(3)])
    assert inner.data.tolist() == [6, 12] and outer.data.tolist() == [18, 36] and none.data.tolist() == [0, 0, 0]
    assert x.grad is None


def test_an_mlp_step_as_pytorch_does_it() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 5)).astype(np.float32), rng.integers(0, 3, 8)
    weights = [rng.normal(size=shape).astype(np.float32) for shape in ((4, 5), (4,), (3, 4), (3,))]
    ours, theirs = [Tensor(w.copy(), requires_grad=True) for w in weights], [torch.tensor(w, requires_grad=True) for w in weights]
    h = (x @ ours[0].T + ours[1]).relu()
    o = h @ ours[2].T + ours[3]
    (o.exp().sum(1).log() - o[np.arange(8), y]).mean().backward()
    h2 = torch.relu(torch.tensor(x) @ theirs[0].T + theirs[1])
    torch.nn.functional.cross_entropy(h2 @ theirs[2].T + theirs[3], torch.tensor(y)).backward()
    for a, b in zip(ours, theirs, strict=True):
        assert a.grad is not None and b.grad is not None and a.grad.flags.c_contiguous
        assert np.abs(a.grad - b.grad.numpy()).max() < 1e-6


# --- what cannot be done ------------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[Callable[[], object], str]] = {
    "broadcast": (lambda: leaf(3, 4) + leaf(5), r"add of shapes \(3, 4\) and \(5,\)"),
    "broadcast in place": (lambda: Tensor(np.ones(3)).__iadd__(np.ones(4)), r"add in place of shapes \(3,\) and \(4,\)"),
    "matmul": (lambda: leaf(3, 4) @ leaf(3, 4), r"matmul of shapes \(3, 4\) and \(3, 4\)"),
    "reshape": (lambda: leaf(3, 4).reshape(5, 2), r"reshape of shapes \(3, 4\).*size 12"),
    "axis": (lambda: leaf(3).sum(axis=1), r"sum of shapes \(3,\).*axis 1"),
    "index": (lambda: leaf(3)[3], r"index of shapes \(3,\).*index 3"),
    "take": (lambda: take(leaf(3, 2), np.array([3])), r"take of shapes \(3, 2\).*index 3"),
    "write": (lambda: Tensor(np.ones(3)).__setitem__(5, 1), r"write in place of shapes \(3,\) and \(\)"),
    "concatenate": (lambda: concatenate([leaf(2, 3), leaf(2, 4)], 0), r"concatenate of shapes \(2, 3\) and \(2, 4\)"),
    "stack": (lambda: stack([leaf(2), leaf(3)]), r"stack of shapes \(2,\) and \(3,\)"),
    "where": (lambda: where(np.ones(2, bool), leaf(3), 0), r"where of shapes \(2,\) and \(3,\) and \(\)"),
    "einsum": (lambda: einsum("ij,jk->ik", leaf(2, 3), leaf(2, 3)), r"einsum of shapes \(2, 3\) and \(2, 3\)"),
    "pad": (lambda: pad(leaf(2, 2), [(1, 1)]), r"pad of shapes \(2, 2\)"),
    "windows": (lambda: windows(leaf(2, 2), (3, 3), (1, 1), (1, 1)), r"windows of shapes \(2, 2\): no window of \(3, 3\)"),
    "empty maximum": (lambda: leaf(0).max(), r"max of shapes \(0,\)"),
    "not a scalar": (lambda: leaf(3).exp().backward(), r"backward of a tensor of shape \(3,\), which is no scalar: give its gradient"),
    "gradient's shape": (lambda: leaf(3).exp().backward(np.ones(2)), r"shape \(3,\): a gradient of shape \(2,\) was given"),
    "nothing recorded": (lambda: Tensor(np.ones(())).backward(), r"shape \(\): nothing that it was computed from asks"),
    "integers": (lambda: Tensor(np.arange(3), requires_grad=True), r"gradients need floats; an array of int64, shape \(3,\)"),
    "bools": (lambda: Tensor(np.ones(2, bool), requires_grad=True), r"gradients need floats; an array of bool, shape \(2,\)"),
    "text": (lambda: Tensor(np.array(["a"])), r"<U1 values of shape \(1,\) are not numbers"),
    "no gradient asked": (lambda: gradients(leaf(2).sum(), [Tensor(np.ones(4))]), r"tensor of shape \(4,\) that does not ask for one"),
    "tangents": (lambda: Tensor(np.ones(2), tangent=np.ones((1, 3))), r"tangents of shape \(1, 3\) for values of shape \(2,\)"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_done_says_so(what: str) -> None:
    act, message = BAD[what]
    with pytest.raises(OperationError, match=message):
        act()


def test_integers_have_no_gradient() -> None:
    x = leaf(2)
    assert not x.astype(np.int64).requires_grad
    with pytest.raises(OperationError, match=r"write in place: a value with a gradient into int64 of shape \(3,\), which can have none"):
        Tensor(np.arange(3))[0] = x[0]


def test_a_failed_write_changes_nothing() -> None:
    x = Tensor(np.ones(3))
    with pytest.raises(OperationError):
        x += np.ones(4)
    y = leaf(3) * x
    y.sum().backward()  # the version of x is as it was


def test_other_attributes_are_missing_as_usual() -> None:
    with pytest.raises(AttributeError, match="'colour'"):
        leaf(2).colour
    assert copy.copy(leaf(2)).shape == (2,)
