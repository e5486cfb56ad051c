"""From AlexNet to Inception v4 and wide ResNets: shapes of the stages, multiply-adds of the course, small pictures. Whole networks have no memory here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.tiny import TINY
from sonde import models
from sonde.errors import RecipeError
from sonde.models.googlenet import BLOCKS, inception
from sonde.nn.branches import Branches

PHOTOGRAPH = {"channels": 3, "size": 224, "classes": 1000}
LARGE = PHOTOGRAPH | {"size": 299}

# The new line: what scales with `scale`, and whether pictures of 28 pixels are large enough.
LINE = ["alexnet", "alexnet-course", "vgg11", "vgg16-bn", "nin", "nin-cifar", "googlenet", "googlenet-paper",
        "inception-v2", "inception-v3", "inception-v4", "inception-resnet-v2"]  # fmt: skip

# What makes the others of the line narrow; they are as deep as ever.
NARROW: dict[str, dict[str, Any]] = {
    **{name: {"scale": TINY["scale"]} for name in ("vgg13", "vgg19", "vgg11-bn", "vgg13-bn", "vgg19-bn")},
    **{name: {"width": 2} for name in models.MODELS if name.startswith(("resnet", "preresnet", "wide-resnet")) and name != "preresnet1001"},
    "wide-resnet28-10": {"width": 1},
    **{name: {"widths": (4, 8, 8)} for name in ("airbench94", "airbench95", "airbench96")},
}


def outline(name: str, table: dict[str, Any]) -> tuple[nn.Module, dict[str, tuple[int, ...]], int]:
    """The model on the meta device, the shape of every module's output for one picture, and the multiply-adds of its convolutions and dense layers."""
    with torch.device("meta"):
        model = models.build(name, table).eval()
        shapes, products = _called(model, torch.empty(1, table["channels"], table["size"], table["size"]))
    return model, shapes, products


def _called(model: nn.Module, x: Tensor) -> tuple[dict[str, tuple[int, ...]], int]:
    shapes: dict[str, tuple[int, ...]] = {}
    products = 0
    names = {module: name for name, module in model.named_modules()}

    def note(module: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal products
        shapes[names[module]] = tuple(output.shape[1:])
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            products += output.numel() // len(output) * module.weight[0].numel()

    for module in names:
        module.register_forward_hook(note)
    model(x)
    return shapes, products


def test_alexnet() -> None:
    model, shapes, products = outline("alexnet-course", PHOTOGRAPH | {"classes": 10})
    assert products == 1_005_890_688
    assert [shapes[f"features.{place}"] for place in (0, 3, 6, 8, 10, 12)] == [
        (96, 54, 54), (256, 26, 26), (384, 12, 12), (384, 12, 12), (256, 12, 12), (256, 5, 5),
    ]  # fmt: skip
    assert model.classifier[1].weight.numel() == 26_214_400
    _, shapes, products = outline("alexnet", PHOTOGRAPH)
    assert shapes["features.12"] == (256, 6, 6)
    assert products == 714_188_480


@pytest.mark.parametrize("name", ["vgg11", "vgg13", "vgg16", "vgg19", "vgg16-bn"])
def test_vgg(name: str) -> None:
    model, shapes, products = outline(name, PHOTOGRAPH)
    last = {stage: max(int(place.split(".")[1]) for place in places) for stage, places in model.stages.items() if stage != "head"}
    # The convolutions of a block see the size before its pooling.
    assert [shapes[f"features.{place}"] for place in last.values()] == [
        (64, 224, 224), (128, 112, 112), (256, 56, 56), (512, 28, 28), (512, 14, 14),
    ]  # fmt: skip
    pooled = [place for place, layer in enumerate(model.features) if type(layer).__name__ == "Halve"]
    assert [shapes[f"features.{place}"] for place in pooled] == [
        (64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7),
    ]  # fmt: skip
    assert model.classifier[0].weight.numel() == 102_760_448
    assert name != "vgg16" or products == 15_470_264_320


@pytest.mark.parametrize(
    ("name", "first"),
    [("resnet18", 64), ("resnet34", 64), ("resnet50", 256), ("resnet101", 256), ("resnet152", 256), ("wide-resnet50-2", 256), ("wide-resnet101-2", 256)],
)
def test_resnet(name: str, first: int) -> None:
    """He et al. 2016, table 1: from 56×56 on each stage halves the size and doubles the channels."""
    model, shapes, _ = outline(name, PHOTOGRAPH)
    assert (shapes["conv1"], shapes["pool"]) == ((64, 112, 112), (64, 56, 56))
    assert [shapes[f"layer{stage}"] for stage in (1, 2, 3, 4)] == [
        (first, 56, 56), (2 * first, 28, 28), (4 * first, 14, 14), (8 * first, 7, 7),
    ]  # fmt: skip
    assert model.fc.in_features == 8 * first
    inner = {"resnet50": 64, "wide-resnet50-2": 128}.get(name)  # of a bottleneck, which alone is wide
    assert inner is None or shapes["layer1.0.conv2"] == (inner, 56, 56)


def test_resnet_with_other_stems() -> None:
    for name, table, first in [
        ("resnet18", {"size": 32}, (64, 32, 32)),
        ("resnet18-light", {"size": 32}, (32, 16, 16)),
        ("resnet18-light", {"size": 224}, (32, 56, 56)),
    ]:
        _, shapes, _ = outline(name, PHOTOGRAPH | table)
        channels, side, _ = first
        assert [shapes[f"layer{stage + 1}"] for stage in range(4)] == [(channels * 2**stage, side // 2**stage, side // 2**stage) for stage in range(4)]


@pytest.mark.parametrize(
    ("name", "first", "layers"),
    [
        ("resnet20", 16, 20), ("resnet32", 16, 32), ("resnet44", 16, 44), ("resnet56", 16, 56), ("resnet110", 16, 110),
        ("preresnet110", 16, 110), ("preresnet164", 64, 164), ("wide-resnet16-4", 64, 16), ("wide-resnet28-10", 160, 28),
    ],
)  # fmt: skip
def test_resnets_for_small_pictures(name: str, first: int, layers: int) -> None:
    """Three stages, at 32, 16 and 8 pixels with 1, 2 and 4 times the channels of the first."""
    model, shapes, _ = outline(name, {"channels": 3, "size": 32, "classes": 10})
    assert shapes["conv1"] == (16, 32, 32)
    assert [shapes[f"layer{stage}"] for stage in (1, 2, 3)] == [(first, 32, 32), (2 * first, 16, 16), (4 * first, 8, 8)]
    assert model.linear.in_features == 4 * first
    convolutions = sum(isinstance(module, nn.Conv2d) for module in model.modules())
    shortcuts = sum(place.endswith(".shortcut") for place, _ in model.named_modules())
    # The names of the wide ones count all convolutions, those of the others the dense layer instead of the shortcuts.
    assert layers == (convolutions if name.startswith("wide") else convolutions - shortcuts + 1)


def test_nin_has_no_dense_layer() -> None:
    for name, table, sizes in [
        ("nin", PHOTOGRAPH, [(96, 54, 54), (256, 27, 27), (384, 13, 13), (1000, 6, 6)]),
        ("nin-cifar", PHOTOGRAPH | {"size": 32}, [(96, 32, 32), (192, 16, 16), (1000, 8, 8)]),
    ]:
        model, shapes, _ = outline(name, table)
        assert not any(isinstance(module, nn.Linear) for module in model.modules())
        assert [shapes[f"blocks.{place}"] for place in range(len(sizes))] == sizes


def test_first_inception_block() -> None:
    with torch.device("meta"):
        x = torch.empty(1, 192, 28, 28)
        block = inception(192, BLOCKS["3a"], paper=True, scale=1.0)
        three, five = (nn.Conv2d(192, 256, kernel, padding=kernel // 2, bias=False) for kernel in (3, 5))
        shapes, products = _called(block, x)
        found = [(sum(module.weight.numel() for module in model.modules() if isinstance(module, nn.Conv2d))) for model in (block, three, five)]
    assert shapes[""] == (256, 28, 28)
    assert found == [163_328, 442_368, 1_228_800]
    assert [products, _called(three, x)[1], _called(five, x)[1]] == [128_049_152, 346_816_512, 963_379_200]


@pytest.mark.parametrize("name", ["googlenet", "googlenet-paper"])
def test_googlenet(name: str) -> None:
    model, shapes, _ = outline(name, PHOTOGRAPH)
    blocks = [name for name, module in model.named_children() if isinstance(module, Branches)]
    assert len(blocks) == 9
    assert shapes["conv1"] == (64, 112, 112)
    assert shapes["conv3"] == (192, 56, 56)
    assert [shapes[block] for block in blocks] == [
        (256, 28, 28), (480, 28, 28), (512, 14, 14), (512, 14, 14), (512, 14, 14), (528, 14, 14), (832, 14, 14), (832, 7, 7), (1024, 7, 7),
    ]  # fmt: skip
    assert len(model.stages) - 1 == 5
    assert model.fc.in_features == 1024
    kernel = model.inception3a["branch3"][1].conv.kernel_size
    assert kernel == ((5, 5) if name == "googlenet-paper" else (3, 3))


def test_inception_v2() -> None:
    _, shapes, _ = outline("inception-v2", PHOTOGRAPH)
    assert {name.removeprefix("blocks."): shape for name, shape in shapes.items() if name.count(".") == 1 and name.startswith("blocks.")} == {
        "3a": (256, 28, 28), "3b": (320, 28, 28), "3c": (576, 14, 14), "4a": (576, 14, 14), "4b": (576, 14, 14), "4c": (608, 14, 14),
        "4d": (608, 14, 14), "4e": (1056, 7, 7), "5a": (1024, 7, 7), "5b": (1024, 7, 7),
    }  # fmt: skip


def test_inception_v3_and_v4() -> None:
    model, shapes, _ = outline("inception-v3", LARGE)
    assert [shapes[f"Conv2d_{name}"] for name in ("1a_3x3", "2b_3x3", "4a_3x3")] == [(32, 149, 149), (64, 147, 147), (192, 71, 71)]
    ends = {"5b": (256, 35, 35), "5d": (288, 35, 35), "6a": (768, 17, 17), "6e": (768, 17, 17), "7a": (1280, 8, 8), "7c": (2048, 8, 8)}
    assert {name: shapes[f"Mixed_{name}"] for name in ends} == ends
    # 5×5 as two of 3×3, 7×7 as 1×7 and 7×1, 3×3 as 1×3 and 3×1.
    kernels = [{module.kernel_size for module in model.get_submodule(f"Mixed_{name}").modules() if isinstance(module, nn.Conv2d)} for name in ends]
    assert (3, 3) in kernels[0] and {(1, 7), (7, 1)} <= kernels[3] and {(1, 3), (3, 1)} <= kernels[5]
    model, shapes, _ = outline("inception-v4", LARGE)
    ends = {stage: shapes[places[-1]] for stage, places in model.stages.items()}
    assert ends == {
        "stem": (64, 147, 147), "stage1": (192, 71, 71), "stage2": (384, 35, 35), "stage3": (1024, 17, 17), "stage4": (1536, 8, 8), "head": (1000,),
    }  # fmt: skip
    _, shapes, _ = outline("inception-resnet-v2", LARGE)
    ends = {"repeat": (320, 35, 35), "repeat_1": (1088, 17, 17), "block8": (2080, 8, 8), "conv2d_7b": (1536, 8, 8)}
    assert {name: shapes[name] for name in ends} == ends


def small(name: str, size: int, stem: str = "auto") -> dict[str, Any]:
    fields = models.module(name).VARIANTS[name].__dataclass_fields__
    return {"channels": 1, "size": size, "classes": 3, **NARROW.get(name, {"scale": TINY["scale"]})} | ({"stem": stem} if "stem" in fields else {})


@pytest.mark.parametrize("name", [*LINE, *NARROW])
def test_trains_on_small_pictures(name: str) -> None:
    torch.manual_seed(0)
    for size in (28, 32, 96):
        model = models.build(name, small(name, size))
        F.cross_entropy(model(torch.randn(2, 1, size, size)), torch.tensor([0, 2])).backward()
        assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("stem", ["photo", "small"])
@pytest.mark.parametrize("name", LINE)
def test_the_smallest_size_is_the_smallest(name: str, stem: str) -> None:
    least = models.smallest(name, small(name, 1, stem))
    model = models.build(name, small(name, least, stem)).eval()
    assert model(torch.randn(2, 1, least, least)).shape == (2, 3)
    if least > 1:
        message = rf"{name} cannot read pictures of {least - 1}×{least - 1}: .* of {least}×{least} or more\n.*--size {least} or larger"
        with pytest.raises(RecipeError, match=message):
            models.build(name, small(name, least - 1, stem))
        with pytest.raises((RuntimeError, IndexError)):  # the error is not too early either
            models.module(name).build(models.config(name, small(name, least - 1, stem))).eval()(torch.randn(2, 1, least - 1, least - 1))


@pytest.mark.parametrize("name", ["alexnet", "nin", "googlenet", "inception-v2", "inception-v3", "inception-v4", "inception-resnet-v2"])
def test_stems_have_the_same_keys(name: str) -> None:
    with torch.device("meta"):
        photo, little = (models.build(name, small(name, 96, stem)) for stem in ("photo", "small"))
        auto = [models.build(name, small(name, size)) for size in (96, 32)]
    assert list(photo.state_dict()) == list(little.state_dict())
    for model, expected in zip(auto, (photo, little), strict=True):
        first = next(iter(model.parameters()))
        assert first.shape == next(iter(expected.parameters())).shape


def test_a_deep_plain_network_keeps_its_signal() -> None:
    from sonde.nn.initialise import initialise, variance_report

    torch.manual_seed(0)
    model = models.build("vgg19", {"channels": 3, "size": 32, "classes": 10, "scale": 1 / 8, "dropout": 0.0})
    x = torch.randn(4, 3, 32, 32)
    scales = [each.forward for each in variance_report(model, x) if each.name.startswith("features")]
    assert scales[-1] > 0.1 * scales[0]
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            initialise(module.weight, "normal")
    scales = [each.forward for each in variance_report(model, x) if each.name.startswith("features")]
    assert scales[-1] < 1e-12 * scales[0]
