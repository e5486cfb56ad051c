"""To be listed in TASKS is to be tested: what the loop, evaluation and the report expect of every task."""

from __future__ import annotations

import inspect
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sonde import tasks
from sonde.data.batch import NO_TARGET, Batch
from sonde.data.prepare.tokenizers import from_json
from sonde.metrics.rows import RowMetric
from sonde.metrics.texts import TextMetric
from sonde.models.skip_gram import Config, SkipGram
from sonde.nn.sequence import State

COUNT, FEATURES, STEPS = 24, 5, 4
CLASSES = {"kind": "classes", "columns": ["label"], "classes": ["a", "b"], "counts": [12, 12]}
NUMBERS = {"kind": "numbers", "columns": ["y", "z"], "transform": "log", "mean": [1.0, 2.0], "std": [0.5, 2.0]}
TAGS = {"kind": "tags", "columns": ["tags"], "classes": ["O", "B-x", "I-x", "B-y"], "counts": [9, 2, 1, 1], "length": 4, "spans": True}
WRITTEN = {
    "kind": "tokens", "columns": ["target"], "tokenizer": {"name": "characters", "alphabet": "abc"}, "form": "raw", "length": 4
}
TOKENS = {"kind": "tokens", "columns": [], "tokenizer": {"name": "characters", "alphabet": "abc"}}
MASKED = TOKENS | {"kind": "masked"}  # the same again; here examples are texts with masks
WORDS = TOKENS | {"kind": "words"}  # the same target; here examples are windows with candidates
SPAN = {"kind": "span", "columns": ["answers"], "separator": 1, "none": False}
MASK = {"kind": "mask", "columns": ["mask"], "classes": ["a", "b", "c"], "counts": [90, 9, 1]}

BOXES = {"kind": "boxes", "columns": ["boxes"], "classes": ["a", "b"]}

# For each task: options and targets to try it with. A task that is added to TASKS is added here.
TRIED: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "classification": [
        ({}, CLASSES),
        ({"loss": "squared", "class_weights": "balanced"}, CLASSES),
        ({"smoothing": 0.1}, CLASSES | {"classes": [str(i) for i in range(12)]}),
    ],
    "multi-label-classification": [({}, {"kind": "labels", "columns": ["x", "y", "z"]})],
    "regression": [
        ({}, NUMBERS),
        ({"loss": "absolute"}, NUMBERS | {"transform": "standardise"}),
        ({"loss": "huber"}, {"kind": "numbers", "columns": ["y"], "transform": "none", "minimum": [0.1]}),
    ],
    "forecasting": [({"window": FEATURES}, NUMBERS | {"columns": ["y"], "mean": [1.0], "std": [1.0]}), ({"horizon": 2}, NUMBERS)],
    "translation": [({}, WRITTEN), ({"smoothing": 0.1, "beam": 2, "longest": 5}, WRITTEN)],
    "language-modelling": [({}, TOKENS), ({"smoothing": 0.1}, TOKENS)],
    "masked-language-modelling": [({}, MASKED), ({"next_sentence": False, "whole_words": True}, MASKED)],
    "question-answering": [({}, SPAN), ({"answer": 2, "stride": 8}, SPAN | {"none": True})],
    "word-vectors": [({"window": 2}, WORDS)],
    "tagging": [({}, TAGS), ({"smoothing": 0.1, "outside": 0.3}, TAGS | {"spans": False})],
    "detection": [({}, BOXES)],
    "segmentation": [({}, MASK), ({"class_weights": "root", "smoothing": 0.1, "dice": 0.5}, MASK)],
}
# Predictions are what is written or found, and outputs scores; a detector in training finds nothing.
WRITES = ("translation", "detection", "masked-language-modelling", "question-answering")
CASES = [pytest.param(name, options, target, id=f"{name}-{i}") for name in tasks.TASKS for i, (options, target) in enumerate(TRIED[name])]


class Foretelling(nn.Module):
    """The smallest model of tokens: the next one depends on the last one alone."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.embedding, self.output = nn.Embedding(tokens, 6), nn.Linear(6, tokens)

    def advance(self, tokens: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        return self.output(self.embedding(tokens).tanh()), state


class Translating(Foretelling):
    """The smallest model that translates: the next token depends on the last one and on the source's first."""

    def encode(self, tokens: torch.Tensor, lengths: torch.Tensor) -> State:
        return (self.embedding(tokens[:, 0]),)

    def advance(self, tokens: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        assert state is not None
        return self.output((self.embedding(tokens) + state[0][:, None]).tanh()), state


class Tagger(Foretelling):
    """The smallest model that tags: each tag depends on its token alone."""

    def __init__(self, tags: int) -> None:
        super().__init__(tags)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.advance(tokens, None)[0]


class PreTraining(Foretelling):
    """The smallest model with both heads of pre-training: a piece depends on what stands in its place, a pair on the first piece."""

    def __init__(self, tokens: int) -> None:
        super().__init__(tokens)
        self.follows = nn.Linear(6, 2)

    def pretraining(self, tokens: torch.Tensor, lengths: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.embedding(tokens).tanh()
        return self.output(x.flatten(0, 1)[places]), self.follows(x[:, 0])


class Spans(nn.Module):
    """The smallest model that answers questions: where an answer begins and ends depends on each token alone."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.output = nn.Embedding(9, 6), nn.Linear(6, 2)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.output(self.embedding(tokens).tanh())


class Detector(nn.Module):
    """The smallest detector: one box in the middle of each picture, whose sides and class depend on the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.sides = nn.Linear(FEATURES, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        wide, high, score = self.sides(inputs).sigmoid().unbind(1)
        return torch.stack([50 - 50 * wide, 50 - 50 * high, 50 + 50 * wide, 50 + 50 * high, (wide > high).to(wide), score], 1)[:, None]

    def losses(self, inputs: tuple[torch.Tensor, ...], targets: torch.Tensor) -> tuple[dict[str, tuple[torch.Tensor, str]], torch.Tensor]:
        found = self(*inputs)
        apart = ((found[..., :4] - targets[:, :1, :4]).square().sum() + found[..., 5].square().sum()) / 100
        return {"box": (apart, "objects")}, found[:, :0]


def examples(target: dict[str, Any]) -> tuple[torch.Tensor | tuple[torch.Tensor, ...], torch.Tensor, int]:
    """Inputs, one or several, targets and the number of outputs; the same each time."""
    generator = torch.Generator().manual_seed(3)
    if target["kind"] == "tags":
        outputs, lengths = len(target["classes"]), torch.randint(1, STEPS + 1, (COUNT,), generator=generator)
        tokens, tags = torch.randint(outputs, (2, COUNT, STEPS), generator=generator)
        return (tokens, lengths), tags.masked_fill(torch.arange(STEPS) >= lengths[:, None], NO_TARGET), outputs
    if target["kind"] == "tokens":
        outputs = len(from_json(target["tokenizer"]).pieces)
        tokens = torch.randint(outputs, (COUNT, STEPS + 1), generator=generator)
        padding = torch.rand(COUNT, STEPS, generator=generator) < 0.2
        if target["columns"]:
            lengths = torch.randint(1, STEPS + 1, (COUNT,), generator=generator)
            return (tokens[:, :-1], lengths), tokens[:, 1:].masked_fill(torch.arange(STEPS) >= lengths[:, None], NO_TARGET), outputs
        return tokens[:, :-1], tokens[:, 1:].masked_fill(padding, NO_TARGET), outputs
    if target["kind"] == "span":
        tokens = torch.randint(2, 9, (COUNT, STEPS + 4), generator=generator)
        tokens[:, 2] = tokens[:, -1] = 1  # [CLS] question [SEP] paragraph [SEP]
        first = torch.randint(3, STEPS + 3, (COUNT,), generator=generator)
        spans = torch.stack([first, first.clamp(min=STEPS + 2)], 1)
        spans[::3] = 0  # no answer
        return (tokens, torch.full((COUNT,), STEPS + 4)), spans, 2
    if target["kind"] == "masked":
        outputs = len(from_json(target["tokenizer"]).pieces)
        tokens, targets = torch.randint(4, outputs, (2, COUNT, STEPS + 1), generator=generator)
        targets = targets.masked_fill(torch.rand(COUNT, STEPS + 1, generator=generator) < 0.7, NO_TARGET)
        targets[:, 0] = torch.randint(2, (COUNT,), generator=generator)
        return (tokens, torch.full((COUNT,), STEPS + 1)), targets, outputs
    if target["kind"] == "words":
        outputs = len(from_json(target["tokenizer"]).pieces)
        words = torch.randint(1, outputs, (COUNT, STEPS + 3), generator=generator)
        return (words[:, :STEPS], words[:, STEPS:]), words[:, STEPS], 3  # loss, wins, and of how many
    if target["kind"] == "mask":
        outputs = len(target["classes"])
        pictures = torch.randn(COUNT, 2, STEPS, STEPS, generator=generator, dtype=torch.float64)
        return pictures, torch.randint(NO_TARGET, outputs, (COUNT, STEPS, STEPS), generator=generator), outputs
    inputs = torch.randn(COUNT, FEATURES, generator=generator, dtype=torch.float64)
    if target["kind"] == "boxes":
        objects = torch.tensor([[10.0, 20, 90, 80, 0, 0, 500, 1], [30, 30, 60, 60, 1, 0, 5_000, 1], [0, 0, 99, 99, 1, 0, 50_000, 1]])
        return inputs, objects.double().repeat(COUNT, 1, 1), 6
    if target["kind"] == "classes":
        outputs = len(target["classes"])
        return inputs, torch.randint(outputs, (COUNT,), generator=generator), outputs
    outputs = len(target["columns"])
    values = torch.rand(COUNT, outputs, generator=generator, dtype=torch.float64)
    return inputs, (values > 0.5).double() if target["kind"] == "labels" else 1 + 9 * values, outputs


def network(outputs: int, target: dict[str, Any]) -> nn.Module:
    torch.manual_seed(1)
    if target["kind"] == "tags":
        return Tagger(outputs).double()
    if target["kind"] == "span":
        return Spans().double()
    if target["kind"] == "boxes":
        return Detector().double()
    if target["kind"] == "mask":
        return nn.Conv2d(2, outputs, 3, padding=1).double()
    if target["kind"] == "words":
        words = len(from_json(target["tokenizer"]).pieces)
        return SkipGram(Config(vocabulary=words, outputs=words, width=6)).double()
    if target["kind"] == "masked":
        return PreTraining(len(from_json(target["tokenizer"]).pieces)).double()
    if target["kind"] == "tokens":
        return (Translating if target["columns"] else Foretelling)(outputs).double()
    return nn.Sequential(nn.Linear(FEATURES, 6), nn.Tanh(), nn.Linear(6, outputs)).double()


def batch(inputs: torch.Tensor | tuple[torch.Tensor, ...], targets: torch.Tensor, piece: slice) -> Batch:
    several = inputs if isinstance(inputs, tuple) else (inputs,)
    index = torch.arange(len(targets))[piece]
    return Batch(tuple(each[piece] for each in several), targets[piece], index, counts_of(targets[piece]))


def counts_of(targets: torch.Tensor) -> dict[str, float]:
    """What is known of a batch without the model; a step's totals are the sums of these."""
    masked = float((targets[:, 1:] != NO_TARGET).sum()) if targets.ndim > 1 else 0.0
    pixels = float((targets != NO_TARGET).sum())
    return {"examples": known(targets), "pairs": STEPS * known(targets), "pixels": pixels, "objects": 3.0 * len(targets), "masked": masked}


def known(targets: torch.Tensor) -> float:
    """What the loss is divided by: examples, or of tokens those that are to be foretold."""
    return float((targets != NO_TARGET).sum()) if targets.ndim == 2 and not targets.is_floating_point() else float(len(targets))


def gradients(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])


@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_task_has_four_methods_options_and_a_way_to_be_built(name: str) -> None:
    module, _, cls = tasks.TASKS[name].partition(":")
    task_class = getattr(import_module(module), cls)
    public = {key for key, value in vars(task_class).items() if inspect.isfunction(value) and not key.startswith("_")}
    assert public == {"loss", "predict", "metrics", "table"}
    assert inspect.ismethod(task_class.build)
    assert all(isinstance(key, str) and isinstance(value, str) and value for key, value in task_class.OPTIONS.items())
    assert task_class.__doc__
    assert task_class.__dataclass_params__.frozen
    hash(task_class.build({}, TRIED[name][0][1]))


@pytest.mark.parametrize(("name", "options", "target"), CASES)
def test_loss_is_a_differentiable_number(name: str, options: dict[str, Any], target: dict[str, Any]) -> None:
    inputs, targets, outputs = examples(target)
    model = network(outputs, target)
    loss = tasks.build(name, options, target).loss(model, batch(inputs, targets, slice(None)), counts_of(targets))
    loss.value.backward()
    assert loss.value.shape == ()
    assert loss.value.isfinite()
    assert gradients(model).isfinite().all()
    assert gradients(model).abs().sum() > 0
    assert not loss.output.requires_grad
    assert all(not total.requires_grad and isinstance(count, float) for total, count in loss.terms.values())


@pytest.mark.parametrize(("name", "options", "target"), CASES)
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, COUNT), max_size=5))
def test_pieces_of_a_batch_add_up_to_the_batch(name: str, options: dict[str, Any], target: dict[str, Any], cuts: list[int]) -> None:
    inputs, targets, outputs = examples(target)
    task, totals = tasks.build(name, options, target), counts_of(targets)
    one = network(outputs, target)
    whole = task.loss(one, batch(inputs, targets, slice(None)), totals)
    whole.value.backward()
    pieces, value, sums, counts = network(outputs, target), 0.0, 0.0, 0.0
    edges = [0, *sorted(cuts), COUNT]  # equal edges are batches without examples
    for first, last in pairwise(edges):
        part = task.loss(pieces, batch(inputs, targets, slice(first, last)), totals)
        part.value.backward()  # gradients add up
        value += part.value.item()
        sums += sum(total.item() for total, _ in part.terms.values())
        counts += sum(count for _, count in part.terms.values())
    assert torch.allclose(gradients(pieces), gradients(one), rtol=1e-12, atol=1e-12)
    assert value == pytest.approx(whole.value.item(), rel=1e-12)
    assert sums == pytest.approx(sum(total.item() for total, _ in whole.terms.values()), rel=1e-12)
    assert counts == sum(count for _, count in whole.terms.values())


@pytest.mark.parametrize(("name", "options", "target"), CASES)
def test_a_batch_without_examples_gives_zero_gradients_that_are_connected(
    name: str, options: dict[str, Any], target: dict[str, Any]
) -> None:
    inputs, targets, outputs = examples(target)
    model, empty = network(outputs, target), batch(inputs, targets, slice(0, 0))
    task = tasks.build(name, options, target)
    loss = task.loss(model, empty, {"examples": 7.0, "pairs": 7.0, "pixels": 7.0, "objects": 7.0, "masked": 7.0})
    loss.value.backward()
    assert loss.value.item() == 0
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in model.parameters())
    written = task.predict(model, empty.inputs)
    assert written.shape[0] == 0
    assert name in WRITES or written.shape[1:] == loss.output.shape[1:]
    for metric in task.metrics(final=True).values():
        if not isinstance(metric, (RowMetric, TextMetric)):
            assert not metric.state(loss.output, empty).any()


@pytest.mark.parametrize(("name", "options", "target"), CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_predictions_are_what_measures_and_tables_take(
    name: str, options: dict[str, Any], target: dict[str, Any], dtype: torch.dtype
) -> None:
    inputs, targets, outputs = examples(target)
    if isinstance(inputs, torch.Tensor) and inputs.is_floating_point():
        inputs = inputs.to(dtype)
    targets = targets.to(dtype) if targets.is_floating_point() else targets
    model, of = network(outputs, target).to(dtype), batch(inputs, targets, slice(None))
    task = tasks.build(name, options, target)
    with torch.no_grad():
        prediction = task.predict(model, of.inputs)
    output = task.loss(model, of, of.counts).output
    assert output.dtype == dtype
    assert name in WRITES or torch.equal(prediction, output)
    assert len(prediction) == COUNT
    assert name in WRITES or prediction.shape[1 if target["kind"] == "mask" else -1] == outputs
    cheap, final = task.metrics(final=False), task.metrics(final=True)
    assert set(cheap) <= set(final)
    assert next(iter(cheap)) == next(iter(final))
    assert name == "detection" or not any(isinstance(metric, RowMetric) for metric in cheap.values())
    for metric in final.values():
        if isinstance(metric, TextMetric):
            value = metric.of_texts(task.table(prediction)["prediction"].tolist(), ["a b"] * COUNT)
        else:
            value = metric.of(prediction, targets) if isinstance(metric, RowMetric) else metric.value(metric.state(output, of))
        assert isinstance(value, float)
        assert np.isfinite(value)
    columns = task.table(prediction)
    assert any(column == "prediction" or column.startswith("prediction:") for column in columns)
    assert all(isinstance(values, np.ndarray) and values.shape == (COUNT,) for values in columns.values())


def test_every_task_is_tried() -> None:
    assert set(TRIED) == set(tasks.TASKS)
