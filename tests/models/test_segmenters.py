"""Segmenters: torchvision's keys, counts and outputs; the paper's U-Net and FCN; pictures of any size.

Once, they were compared with torchvision 0.28.0 itself: keys, shapes and parameter counts of its four models of semantic segmentation with
ResNets are equal. golden/segmentation.json, which is kept, has outputs of two of them in float64 at full depth (the other two are the same
code with more blocks), with weights and a picture by a formula (golden/make_segmentation.py wrote it).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.golden.make_segmentation import CLASSES, EVERY, SIZE, THEIRS
from models.golden.weights import pictures, weights
from models.published import Shape, published
from sonde import models
from sonde.models.deeplab_v3 import WholePicture
from sonde.nn.auxiliary import training_outputs

GOLDEN: dict[str, dict[str, list[list[list[float]]]]] = json.loads((Path(__file__).parent / "golden" / "segmentation.json").read_text(encoding="utf-8"))
VOC = {"channels": 3, "size": 520, "classes": 21}

# Trained parameters with 21 classes. The first five are torchvision's numbers (fcn32: VGG-16's body, 7×7 to 4,096, 1×1 to 4,096, scores: 134 M in the paper).
PARAMETERS = {
    "fcn-resnet50": 35_322_218,
    "fcn-resnet101": 54_314_346,
    "deeplab-v3": 42_004_074,
    "deeplab-v3-resnet101": 60_996_202,
    "fcn32": 14_714_688 + (49 * 512 + 1) * 4096 + 4097 * 4096 + 4097 * 21,
    "fcn16": 134_346_581 + 513 * 21 + 16 * 21**2,
    "fcn8": 134_364_410 + 257 * 21 + 16 * 21**2,
    "u-net": 31_033_045,
    "u-net-small": 1_884_693,
    "deeplab-v3-small": 3_643_989,
}


def on_meta(name: str, **table: object) -> nn.Module:
    with torch.device("meta"):
        return models.build(name, VOC | table)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_counts_at_full_size(name: str) -> None:
    assert sum(parameter.numel() for parameter in on_meta(name).parameters()) == PARAMETERS[name]


def test_every_segmenter_is_counted() -> None:
    assert set(PARAMETERS) == {name for name in models.MODELS if models.FITS.get(name) == ("segmentation",)}


def head(prefix: str, channels: int, *, classes: int = 21) -> dict[str, Shape]:
    """torchvision's FCNHead."""
    between = channels // 4
    keys: dict[str, Shape] = {f"{prefix}.0.weight": (between, channels, 3, 3), f"{prefix}.4.weight": (classes, between, 1, 1), f"{prefix}.4.bias": (classes,)}
    return keys | norm(f"{prefix}.1", between)


def norm(prefix: str, channels: int) -> dict[str, Shape]:
    return {f"{prefix}.{key}": (channels,) for key in ("weight", "bias", "running_mean", "running_var")} | {f"{prefix}.num_batches_tracked": ()}


def pyramid() -> dict[str, Shape]:
    """torchvision's DeepLabHead on 2,048 channels."""
    keys: dict[str, Shape] = {}
    for branch, kernel in enumerate((1, 3, 3, 3)):
        keys[f"classifier.0.convs.{branch}.0.weight"] = (256, 2048, kernel, kernel)
        keys |= norm(f"classifier.0.convs.{branch}.1", 256)
    keys |= {"classifier.0.convs.4.1.weight": (256, 2048, 1, 1)} | norm("classifier.0.convs.4.2", 256)
    keys |= {"classifier.0.project.0.weight": (256, 1280, 1, 1)} | norm("classifier.0.project.1", 256)
    keys |= {"classifier.1.weight": (256, 256, 3, 3)} | norm("classifier.2", 256)
    return keys | {"classifier.4.weight": (21, 256, 1, 1), "classifier.4.bias": (21,)}


@pytest.mark.parametrize(
    ("name", "body"),
    [("fcn-resnet50", "resnet50"), ("fcn-resnet101", "resnet101"), ("deeplab-v3", "resnet50"), ("deeplab-v3-resnet101", "resnet101")],
)
def test_state_keys_and_shapes_are_the_published_ones(name: str, body: str) -> None:
    expected = {f"backbone.{key}": shape for key, shape in published(body).items() if not key.startswith("fc.")}
    expected |= head("aux_classifier", 1024) | (head("classifier", 2048) if name.startswith("fcn") else pyramid())
    assert {key: tuple(value.shape) for key, value in on_meta(name).state_dict().items()} == expected


@pytest.mark.parametrize("name", THEIRS)
def test_outputs_are_torchvisions(name: str) -> None:
    model = on_meta(name, size=SIZE, classes=CLASSES)
    model.load_state_dict(weights({key: tuple(value.shape) for key, value in model.state_dict().items()}), assign=True)
    with torch.no_grad():
        logits, ((weight, auxiliary),) = model.eval().all_outputs(pictures(1, SIZE))
        assert torch.equal(model(pictures(1, SIZE)), logits)
    assert weight == 0.5
    for found, key in ((logits, "out"), (auxiliary, "aux")):
        expected = torch.tensor(GOLDEN[name][key], dtype=torch.float64)
        torch.testing.assert_close(found[0, :, ::EVERY, ::EVERY], expected, rtol=0, atol=1e-9 * float(expected.abs().max()))


def test_the_body_of_fcn_has_the_keys_of_vgg16() -> None:
    body = {key: shape for key, shape in published("vgg16").items() if key.startswith("features.")}
    for name in ("fcn32", "fcn16", "fcn8"):
        own = {key: tuple(value.shape) for key, value in on_meta(name).state_dict().items()}
        assert {key: shape for key, shape in own.items() if key.startswith("features.")} == body


@pytest.mark.parametrize(("name", "strides"), [("fcn32", (32,)), ("fcn16", (32, 16)), ("fcn8", (32, 16, 8))])
def test_fcn_adds_the_scores_of_earlier_blocks(name: str, strides: tuple[int, ...]) -> None:
    """With zero scores the logits are biases, enlarged; a score that is not 0 enlarges its own map alone."""
    torch.manual_seed(0)
    model = models.build(name, {"channels": 1, "size": 64, "classes": 2, "scale": 1 / 16}).eval()
    layers = {32: "score5", 16: "score4", 8: "score3"}
    picture = torch.randn(1, 1, 64, 64)
    before = model(picture)
    for stride, layer in layers.items():
        score = getattr(model, layer)
        assert (score is not None) == (stride in strides)
        if score is not None:
            assert not score.weight.any()
            nn.init.normal_(score.weight)
            assert not torch.allclose(model(picture), before)
            nn.init.zeros_(score.weight)
            torch.testing.assert_close(model(picture), before)


def test_scores_are_enlarged_bilinearly_away_from_the_edge() -> None:
    torch.manual_seed(0)
    model = models.build("fcn32", {"channels": 1, "size": 160, "classes": 3, "scale": 1 / 16}).eval()
    nn.init.normal_(model.score5.weight)
    seen: list[Tensor] = []
    model.score5.register_forward_hook(lambda _layer, _given, found: seen.append(found))
    logits = model(torch.randn(2, 1, 160, 160))
    expected = F.interpolate(seen[0], scale_factor=32, mode="bilinear", align_corners=False)
    torch.testing.assert_close(logits[:, :, 16:-16, 16:-16], expected[:, :, 16:-16, 16:-16], rtol=1e-4, atol=1e-5)


def test_dilation_keeps_the_size_of_the_maps() -> None:
    torch.manual_seed(0)
    table = {"channels": 3, "size": 96, "classes": 2, "blocks": (1, 2, 2, 2), "width": 4}
    plain, dilated = models.build("resnet50", table), models.build("fcn-resnet50", table).backbone
    x = torch.randn(1, 3, 96, 96)
    assert [tuple(each.shape[2:]) for each in plain.maps(x)] == [(24, 24), (12, 12), (6, 6), (3, 3)]
    assert [tuple(each.shape[2:]) for each in dilated.maps(x)] == [(24, 24), (12, 12), (12, 12), (12, 12)]
    assert [block.conv2.dilation for block in dilated.layer4] == [(2, 2), (4, 4)]


def test_auxiliary_outputs_are_heard_in_training_alone() -> None:
    torch.manual_seed(0)
    model = models.build("deeplab-v3", {"channels": 1, "size": 32, "classes": 2, "blocks": (1, 1, 1, 1), "width": 4, "pyramid_width": 8})
    x = torch.randn(2, 1, 32, 32)
    assert [weight for weight, _ in training_outputs(model, x)] == [1.0, 0.5]
    assert len(training_outputs(model.eval(), x)) == 1
    without = models.build("deeplab-v3", {"channels": 1, "size": 32, "classes": 2, "blocks": (1, 1, 1, 1), "width": 4, "auxiliary": False})
    assert [weight for weight, _ in training_outputs(without, x)] == [1.0]


def test_the_last_batch_may_be_a_single_picture() -> None:
    branch = WholePicture(3, 4).train()
    before = branch[2].running_mean.clone()
    y = branch(torch.randn(1, 3, 5, 6))
    assert y.shape == (1, 4, 5, 6)
    assert y.isfinite().all()
    assert torch.equal(branch[2].running_mean, before)
    branch(torch.randn(2, 3, 5, 6))
    assert not torch.equal(branch[2].running_mean, before)
