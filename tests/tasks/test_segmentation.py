"""The loss of segmentation, term by term; its options; its table."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sonde import tasks
from sonde.data.batch import NO_TARGET, Batch
from sonde.errors import RecipeError
from sonde.tasks.segmentation import dice_losses

TARGET: dict[str, Any] = {"kind": "mask", "columns": ["mask"], "classes": ["sky", "road", "pole"], "counts": [600, 300, 100]}


class Given(nn.Module):
    """Says what it was told to, with an auxiliary output at weight ½."""

    def __init__(self, output: Tensor, auxiliary: Tensor | None = None) -> None:
        super().__init__()
        self.output, self.auxiliary = output, auxiliary

    def forward(self, pictures: Tensor) -> Tensor:
        return self.output

    def all_outputs(self, pictures: Tensor) -> tuple[Tensor, tuple[tuple[float, Tensor], ...]]:
        return self.output, () if self.auxiliary is None else ((0.5, self.auxiliary),)


def case(seed: int = 0) -> tuple[Tensor, Tensor, Batch]:
    generator = torch.Generator().manual_seed(seed)
    output = torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64)
    targets = torch.randint(NO_TARGET, 3, (2, 4, 5), generator=generator)
    counts = {"examples": 2.0, "pixels": float((targets != NO_TARGET).sum())}
    return output, targets, Batch((torch.zeros(2, 1, 4, 5),), targets, torch.arange(2), counts)


def loss(options: dict[str, Any], model: nn.Module, batch: Batch) -> tasks.Loss:
    return tasks.build("segmentation", options, TARGET).loss(model, batch, batch.counts)


def test_plain_cross_entropy_is_the_mean_over_labelled_pixels() -> None:
    output, targets, batch = case()
    there = targets != NO_TARGET
    expected = -output.log_softmax(1).movedim(1, -1)[there].gather(1, targets[there][:, None]).mean()
    found = loss({}, Given(output), batch)
    torch.testing.assert_close(found.value, expected)
    total, count = found.terms["loss"]
    assert count == there.sum()
    torch.testing.assert_close(total / count, expected)


@pytest.mark.parametrize(("how", "expected"), [("balanced", [1000 / 1800, 1000 / 900, 1000 / 300]), ("root", None)])
def test_class_weights_are_one_on_average_over_pixels(how: str, expected: list[float] | None) -> None:
    task: Any = tasks.build("segmentation", {"class_weights": how}, TARGET)
    assert sum(weight * count for weight, count in zip(task.weights, TARGET["counts"], strict=True)) == pytest.approx(1000)
    if expected is not None:
        assert task.weights == pytest.approx(expected)
    assert task.weights[2] / task.weights[0] == pytest.approx(6.0 if how == "balanced" else 6.0**0.5)
    output, targets, batch = case()
    there = targets != NO_TARGET
    nats = -output.log_softmax(1).movedim(1, -1)[there].gather(1, targets[there][:, None])[:, 0]
    weights = torch.tensor(task.weights, dtype=torch.float64)[targets[there]]
    torch.testing.assert_close(loss({"class_weights": how}, Given(output), batch).value, (nats * weights).sum() / there.sum())


def test_auxiliary_outputs_weigh_what_they_say_and_are_not_logged() -> None:
    output, _, batch = case()
    other = case(1)[0]
    plain, auxiliary = loss({}, Given(output), batch), loss({}, Given(other), batch)
    both = loss({}, Given(output, other), batch)
    torch.testing.assert_close(both.value, plain.value + 0.5 * auxiliary.value)
    torch.testing.assert_close(both.terms["loss"][0], plain.terms["loss"][0])
    torch.testing.assert_close(loss({}, Given(output, other).eval(), batch).value, plain.value)


def test_dice_by_hand() -> None:
    """One picture of four pixels, certain answers: sky 2·1/(1 + 2), road 2·1/(2 + 1), of a void pixel nothing."""
    targets = torch.tensor([[[0, 0], [1, NO_TARGET]]])
    answers = torch.tensor([[[0, 1], [1, 2]]])
    output = F.one_hot(answers, 3).movedim(-1, 1).double() * 1e4
    torch.testing.assert_close(dice_losses(output, targets), torch.tensor([1 / 3], dtype=torch.float64))
    assert dice_losses(output, torch.full_like(targets, NO_TARGET)).tolist() == [0.0]
    right = F.one_hot(targets.clamp(min=0), 3).movedim(-1, 1).double() * 1e4
    torch.testing.assert_close(dice_losses(right, targets), torch.zeros(1, dtype=torch.float64))


def test_dice_is_added_as_a_term_of_its_own() -> None:
    output, targets, batch = case()
    found = loss({"dice": 2.0}, Given(output), batch)
    torch.testing.assert_close(found.value, loss({}, Given(output), batch).value + 2 * dice_losses(output, targets).mean())
    assert set(found.terms) == {"loss", "dice"}


def test_weights_of_pictures_count() -> None:
    output, targets, batch = case()
    weighed = Batch(batch.inputs, targets, batch.index, batch.counts, torch.tensor([2.0, 0.0], dtype=torch.float64))
    first = Batch((batch.inputs[0][:1],), targets[:1], batch.index[:1], batch.counts)
    for options in ({}, {"dice": 1.0}):
        torch.testing.assert_close(loss(options, Given(output), weighed).value, 2 * loss(options, Given(output[:1]), first).value)


def test_a_batch_without_labelled_pixels_has_no_loss() -> None:
    output, targets, _ = case()
    empty = Batch((torch.zeros(2, 1, 4, 5),), torch.full_like(targets, NO_TARGET), torch.arange(2), {"examples": 2.0, "pixels": 0.0})
    assert loss({"dice": 1.0}, Given(output), empty).value == 0


def test_the_table_tells_shares() -> None:
    answers = torch.tensor([[[0, 1], [1, 2]], [[2, 2], [2, 2]]])
    columns = tasks.build("segmentation", {}, TARGET).table(F.one_hot(answers, 3).movedim(-1, 1).float())
    assert columns["prediction"].tolist() == ["road", "pole"]
    assert columns["share:road"].tolist() == [0.5, 0.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weights": "balancd"}, r"task\.class_weights = 'balancd' is not one of none, balanced, root\n.*balanced"),
        ({"dice": -1}, r"task\.dice = -1 is no weight of at least 0\n.*--set task\.dice=1"),
        ({"smoothing": 1}, r"task\.smoothing = 1 is not a number from 0 to under 1"),
        ({"dise": 1}, r"task segmentation has no option 'dise'\n.*did you mean 'dice'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        tasks.build("segmentation", options, TARGET)
