"""Multiply-adds, counted by intercepting operations: closed forms, published facts, and PyTorch's own counter."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from bench.cost_model import products
from sonde import models
from sonde.cost.account import Cost, account, count
from sonde.cost.source import Input, Source, find
from sonde.errors import RecipeError, UsageError
from sonde.recipes.defaults import COUNTED


def bill(build: Callable[[], nn.Module], *shapes: tuple[int, ...], batch: int = 4, dtype: torch.dtype = torch.float32) -> Cost:
    return account(Source("test", "test", build, tuple(Input(shape, dtype) for shape in shapes), own=False), batch=batch)


class SelfAttention(nn.Module):
    """PyTorch's layer where queries, keys and values are one: in evaluation it would go the fast path."""

    def __init__(self, *, weights: bool) -> None:
        super().__init__()
        self.attention, self.weights = nn.MultiheadAttention(32, 4, batch_first=True), weights

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=self.weights)[0]


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (lambda: nn.Conv2d(100, 100, 5, padding=2), (100, 64, 64), 1_024_000_000),  # the course's layer keeps its 64 × 64
        (lambda: nn.Conv2d(192, 64, 1), (192, 28, 28), 9_633_792),
        (lambda: nn.Conv2d(8, 12, 3, stride=2, dilation=2, groups=4), (8, 15, 15), 12 * 6 * 6 * 2 * 9),
        (lambda: nn.Conv1d(4, 6, 3), (4, 10), 6 * 8 * 4 * 3),
        (lambda: nn.Conv3d(2, 3, 2), (2, 4, 4, 4), 3 * 27 * 2 * 8),
        (lambda: nn.ConvTranspose2d(6, 4, 3, stride=2, groups=2), (6, 5, 5), 6 * 25 * 2 * 9),  # every input is spread over kernel and outputs
        (lambda: nn.Linear(20, 30), (7, 20), 7 * 20 * 30),
        (lambda: nn.LSTM(5, 8, batch_first=True), (3, 5), 3 * 4 * 8 * (5 + 8)),
        (lambda: nn.GRU(5, 8, num_layers=2, batch_first=True), (3, 5), 3 * 3 * 8 * (5 + 8 + 8 + 8)),
        (lambda: nn.RNN(5, 8, bidirectional=True, batch_first=True), (3, 5), 2 * 3 * 8 * (5 + 8)),
        (lambda: nn.LSTMCell(5, 8), (5,), 4 * 8 * (5 + 8)),
        (lambda: nn.BatchNorm1d(9), (9,), 0),
        # 47,360: into queries, keys and values, and out; queries by keys, and the weights by values
        (lambda: SelfAttention(weights=True), (10, 32), 10 * 32 * (3 * 32 + 32) + 2 * 10 * 10 * 32),
        (lambda: SelfAttention(weights=False), (10, 32), 10 * 32 * (3 * 32 + 32) + 2 * 10 * 10 * 32),
        (lambda: nn.MultiheadAttention(32, 4, batch_first=True), [(10, 32)] * 3, 10 * 32 * (3 * 32 + 32) + 2 * 10 * 10 * 32),
        (lambda: nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), (10, 32), 10 * 32 * (3 * 32 + 32) + 2 * 10 * 10 * 32 + 2 * 10 * 32 * 64),
        (lambda: nn.Bilinear(6, 5, 7), [(6,), (5,)], 7 * 5 * (6 + 1)),  # xᵀW, then by y
    ],
)
def test_layers_in_closed_form(layer: Callable[[], nn.Module], shape: tuple[int, ...] | list[tuple[int, ...]], expected: int) -> None:
    found = bill(layer, *(shape if isinstance(shape, list) else [shape]))
    assert found.multiply_adds == expected
    assert found.notes == ()
    if expected:
        assert expected <= found.backward <= 2 * expected  # the input itself needs no gradient


class Functional(nn.Module):
    """Everything without a module."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(6, 5))
        self.kernel = nn.Parameter(torch.zeros(3, 2, 3, 3))

    def forward(self, x: Tensor, q: Tensor, words: Tensor) -> Tensor:
        table = torch.zeros(11, 8)
        attended = F.scaled_dot_product_attention(q, q, q)
        product = torch.einsum("bij,kj->bik", x, self.w)  # (b, 4, 6)
        square = torch.matmul(product.transpose(1, 2), product)  # (b, 6, 6)
        filtered = F.conv2d(x.reshape(-1, 2, 2, 5), self.kernel, padding=1)
        return square.sum() + attended.sum() + filtered.sum() + F.embedding(words, table).sum()


def test_functional_code_is_counted() -> None:
    inputs = (Input((4, 5)), Input((2, 7, 8)), Input((3,), torch.int64))
    found = account(Source("f", "f", Functional, inputs, own=False), batch=3)
    attention = 2 * 2 * 7 * 7 * 8
    assert found.multiply_adds == 4 * 6 * 5 + 6 * 6 * 4 + attention + 3 * 2 * 5 * 2 * 9
    assert [layer.path for layer in found.layers] == ["(itself)"]


class Mapped(nn.Module):
    """A function of one input times a weight, so that there are gradients."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.weight = function, nn.Parameter(torch.ones(6))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x * self.weight)


@pytest.mark.parametrize(
    ("function", "rows", "expected", "backward"),
    [
        (lambda x: torch.cdist(x, x), 4, 4 * 4 * 6, 2 * 4 * 4 * 6),  # computed by differences
        (lambda x: torch.cdist(x, x), 30, 30 * 30 * 6, 2 * 30 * 30 * 6),  # of more than 25 by a matrix product: as many by definition
        (lambda x: torch.cdist(x, x, p=1.0), 30, 0, 0),
        (lambda x: torch.stack([torch.pdist(each) for each in x]), 4, 6 * 6, 6 * 6),
        (lambda x: torch.zeros(len(x), 6, 6).baddbmm_(x.mT, x), 4, 6 * 6 * 4, 2 * 6 * 6 * 4),
        (lambda x: torch.stack([torch.zeros(6, 6).addmm_(each.T, each) for each in x]), 4, 6 * 6 * 4, 2 * 6 * 6 * 4),
        (lambda x: torch.stack([torch.addr(torch.zeros(6, 6), each[0], each[1]) for each in x]), 4, 6 * 6, 2 * 6 * 6),
        (lambda x: x.mT @ torch.outer(x[0, :, 0], x[0, 0]), 4, 6 * 4 * 6, None),  # an outer product is a multiplication without an addition
    ],
)
def test_other_products_in_closed_form(function: Callable[[Tensor], Tensor], rows: int, expected: int, backward: int | None) -> None:
    found = bill(lambda: Mapped(function), (rows, 6))
    assert found.multiply_adds == expected
    assert backward is None or found.backward == backward
    assert found.notes == ()


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda x: torch.linalg.qr(x).R, "linalg_qr"),
        (lambda x: torch.linalg.inv(x.mT @ x), "linalg_inv_ex"),
        (lambda x: torch.linalg.solve(x.mT @ x, x.mT), "_linalg_solve_ex"),
        (lambda x: torch.linalg.cholesky(x.mT @ x), "linalg_cholesky_ex"),
        (lambda x: torch.linalg.svd(x).S, "_linalg_svd"),
        (lambda x: torch.fft.rfft(x).abs(), "_fft_r2c"),
        (lambda x: torch.conv_tbc(x, torch.ones(3, 6, 2), torch.ones(2)), "conv_tbc"),
        (lambda x: torch.linalg.vector_norm(x, dim=1), None),
        (lambda x: torch.linalg.cross(x[..., :3], x[..., 3:]), None),
        (lambda x: F.interpolate(x[:, None], scale_factor=2.0, mode="bilinear"), None),
    ],
)
def test_what_multiplies_and_is_not_counted_is_named(function: Callable[[Tensor], Tensor], named: str | None) -> None:
    notes = bill(lambda: Mapped(function), (8, 6)).notes
    if named is None:
        assert notes == ()
    else:
        assert notes[-1].startswith("multiply-adds of these operations are not counted: ")
        assert named in notes[-1].partition(": ")[2].split(", ")


def test_operations_of_other_packages_are_named() -> None:
    """Even one that is named as a product of PyTorch's is not taken for it."""

    @torch.library.custom_op("sonde_tests::mm", mutates_args=())
    def product(x: Tensor, y: Tensor) -> Tensor:
        return x @ y

    product.register_fake(lambda x, y: x.new_empty(x.shape[0], y.shape[1]))

    class Foreign(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return product(x, x.T)

    found = bill(Foreign, (6,))
    assert found.multiply_adds == 0
    assert found.notes == ("of these operations of other packages it is not known what they compute, and nothing is counted: sonde_tests::mm",)


def test_inference_mode_inside_a_forward_is_counted() -> None:
    """There PyTorch hands on layers in one piece, as no autograd takes them apart."""

    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense, self.filter = nn.Linear(6, 4), nn.Conv1d(3, 5, 1)

        def forward(self, x: Tensor) -> Tensor:
            with torch.inference_mode():
                return torch.matmul(self.filter(self.dense(x)), torch.ones(4, 2))

    found = bill(Frozen, (3, 6))
    assert found.multiply_adds == 3 * 6 * 4 + 4 * 5 * 3 + 5 * 4 * 2
    assert found.notes == ()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_fast_path_of_attention_is_as_before(enabled: bool) -> None:
    def layer() -> nn.Module:
        return nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)

    before = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(enabled)
        bill(layer, (10, 32))
        assert torch.backends.mha.get_fastpath_enabled() is enabled
        with pytest.raises(RecipeError):
            bill(layer, (10, 31))
        assert torch.backends.mha.get_fastpath_enabled() is enabled
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def test_backward_counts_both_gradients_and_only_one_of_the_first_layer() -> None:
    found = bill(lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3)), (3, 8, 8))
    first, _, second = found.layers
    assert first.backward == first.multiply_adds
    assert second.backward == 2 * second.multiply_adds


def test_operations_that_compute_without_products_are_counted_apart() -> None:
    norm, act = bill(lambda: nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()), (4, 6, 6)).layers
    assert norm.multiply_adds == act.multiply_adds == 0
    assert norm.other == act.other == 4 * 4 * 36
    assert bill(lambda: nn.Embedding(10, 3), (5,), dtype=torch.int64).layers[0].other == 0


class Branches(nn.Module):
    """GoogLeNet's first block, 192 channels on 28 × 28 (Szegedy et al. 2015, table 1), biases aside."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(192, 64, 1, bias=False)
        self.three = nn.Sequential(nn.Conv2d(192, 96, 1, bias=False), nn.Conv2d(96, 128, 3, padding=1, bias=False))
        self.five = nn.Sequential(nn.Conv2d(192, 16, 1, bias=False), nn.Conv2d(16, 32, 5, padding=2, bias=False))
        self.pooled = nn.Conv2d(192, 32, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(F.max_pool2d(x, 3, 1, 1))], 1)


def test_a_block_of_googlenet_against_plain_convolutions() -> None:
    block = bill(Branches, (192, 28, 28))
    assert (block.parameters, block.multiply_adds) == (163_328, 128_049_152)
    three = bill(lambda: nn.Conv2d(192, 256, 3, padding=1, bias=False), (192, 28, 28))
    assert (three.parameters, three.multiply_adds) == (442_368, 346_816_512)
    five = bill(lambda: nn.Conv2d(192, 256, 5, padding=2, bias=False), (192, 28, 28))
    assert (five.parameters, five.multiply_adds) == (1_228_800, 963_379_200)


def test_the_courses_alexnet() -> None:
    """One tower, 96-256-384-384-256, 10 classes, 224 × 224."""

    def build() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 96, 11, 4, 1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(96, 256, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(), nn.Linear(6400, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(),
            nn.Dropout(), nn.Linear(4096, 10),
        )  # fmt: skip

    found = bill(build, (3, 224, 224), batch=2)
    assert (found.parameters, found.multiply_adds) == (46_787_978, 1_005_890_688)


def test_hours_of_ten_layers_over_a_million_images() -> None:
    """At 0.15·10¹² multiply-adds a second the course's ten layers take most of a day, at 12·10¹² a quarter of an hour."""
    total = bill(lambda: nn.Sequential(*[nn.Conv2d(100, 100, 5, padding=2) for _ in range(10)]), (100, 64, 64), batch=1).multiply_adds
    assert total == 10_240_000_000
    assert round(total * 1e6 / 0.15e12 / 3600, 2) == 18.96
    assert round(total * 1e6 / 12e12 / 60, 1) == 14.2


@pytest.mark.parametrize("name", ["lenet", "resnet18", "resnet20", "mlp", "softmax-regression"])
def test_sondes_models_agree_with_another_counter(name: str) -> None:
    source = find(name)
    with torch.device("meta"):
        model, inputs = source.build().eval(), [each.batch(1, "meta") for each in source.inputs]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*inputs)
    assert account(source, batch=2).multiply_adds == counter.get_total_flops() // 2


@pytest.mark.parametrize("name", [name for name in models.MODELS if models.accepts(name) == "tokens" and name not in COUNTED])
def test_models_of_tokens_agree_with_the_functions_that_they_call(name: str) -> None:
    parameters, multiply_adds = count(find(name))
    assert multiply_adds == products(name) > 0
    with torch.device("meta"):
        assert parameters == sum(weight.numel() for weight in find(name).build().parameters())


def test_transformer_base_has_the_papers_parameters() -> None:
    assert round(count(find("transformer-base"))[0] / 1e6) == 63  # 65 million in its table 3, which counts some more pieces


@pytest.mark.parametrize("name", COUNTED)
def test_what_only_counts_has_no_cost(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} counts what follows what.*\n.*sonde train TEXT --model {name}"):
        find(name)


def test_published_sizes() -> None:
    lenet, resnet = account(find("lenet")), account(find("resnet18"), batch=1)
    assert (lenet.parameters, lenet.multiply_adds) == (61_706, 416_520)
    assert (resnet.parameters, resnet.multiply_adds) == (11_689_512, 1_814_073_344)
    assert sum(layer.parameters for layer in resnet.layers) == resnet.parameters


def test_weights_used_twice_count_once() -> None:
    def build() -> nn.Module:
        layer = nn.Linear(6, 6)
        return nn.Sequential(layer, nn.ReLU(), layer)

    found = bill(build, (6,))
    assert found.parameters == 42 == sum(layer.parameters for layer in found.layers)
    assert found.multiply_adds == 2 * 36


def test_intensity_is_work_by_bytes() -> None:
    (layer,) = bill(lambda: nn.Linear(64, 32, bias=False), (64,), batch=16).layers
    assert layer.moved == 4 * (16 * 64 + 64 * 32 + 16 * 32)
    assert math.isclose(layer.intensity, 16 * 64 * 32 / layer.moved)
