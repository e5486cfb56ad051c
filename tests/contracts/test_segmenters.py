"""To be listed for segmentation is to be tested: each segmenter is built tiny, trained, saved, and asked about pictures of any shape."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.tiny import one_of_each, tiny
from sonde import models
from sonde.errors import RecipeError
from sonde.nn.auxiliary import training_outputs
from sonde.nn.prepared import Prepared
from sonde.nn.stages import HEAD, chosen_stages, last_layer, output_layers, stage_by_name

ALL = [name for name in models.MODELS if models.fits(name, "segmentation")]
SEGMENTERS = one_of_each(ALL)
SIDE = (32, 64)  # as a canvas is: whole multiples of 32, longer than high


def build(name: str, *, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return models.build(name, tiny(name) | {"size": max(SIDE)})


def pictures(count: int, *, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(count, 2, *SIDE, generator=torch.Generator().manual_seed(7)).to(dtype)


def loss_of(model: nn.Module, x: Tensor, targets: Tensor) -> Tensor:
    losses = [weight * F.cross_entropy(output, targets) for weight, output in training_outputs(model, x)]
    return torch.stack(losses).sum()


def test_segmenters_are_listed_for_nothing_else() -> None:
    assert all(models.FITS[name] == ("segmentation",) for name in ALL)
    with pytest.raises(RecipeError, match=r"model resnet18 does not do segmentation\n.*models that fit: fcn32, fcn16, .*deeplab-v3-small"):
        models.check_fit("resnet18", task="segmentation", data="images")
    with pytest.raises(RecipeError, match="model u-net does not do classification"):
        models.check_fit("u-net", task="classification", data="images")


@pytest.mark.parametrize("name", SEGMENTERS)
def test_forward_and_backward(name: str) -> None:
    model = build(name)
    if name.startswith("fcn") and "resnet" not in name:  # scores begin at 0, through which no gradient comes
        for layer in (model.score5, model.score4, model.score3):
            if layer is not None:
                nn.init.normal_(layer.weight)
    x = pictures(3)
    assert model(x).shape == (3, 3, *SIDE)
    loss_of(model, x, torch.randint(0, 3, (3, *SIDE))).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


@pytest.mark.parametrize("name", SEGMENTERS)
def test_learns_where_things_are(name: str) -> None:
    """Which of two halves is bright: the answer differs within a picture, at a place that only the picture tells."""
    model = build(name)
    targets = torch.zeros(4, *SIDE, dtype=torch.int64)
    targets[:2, :, :32] = 1
    targets[2:, :, 32:] = 2
    x = pictures(4) * 0.1 + targets[:, None].sign() * 2.0
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        loss = loss_of(model, x, targets)
        loss.backward()
        optimizer.step()
        right = (model(x).argmax(1) == targets).float().mean()
        if right > 0.97:
            return
    pytest.fail(f"after 150 steps {right:.1%} of the pixels are right")


@pytest.mark.parametrize("name", SEGMENTERS)
def test_saves_and_loads(name: str, tmp_path: Path) -> None:
    first, second = build(name, seed=0), build(name, seed=1)
    loss_of(first, pictures(3), torch.randint(0, 3, (3, *SIDE))).backward()  # running statistics move
    safetensors.torch.save_file(first.state_dict(), tmp_path / "weights.safetensors")
    second.load_state_dict(safetensors.torch.load_file(tmp_path / "weights.safetensors"))
    assert torch.equal(first.eval()(pictures(2)), second.eval()(pictures(2)))
    third = build(name, seed=0).state_dict()
    assert list(third) == list(build(name, seed=0).state_dict())


@pytest.mark.parametrize("name", SEGMENTERS)
def test_evaluation_does_not_depend_on_the_batch_or_the_memory_order(name: str) -> None:
    model = build(name).double()
    x = pictures(3, dtype=torch.float64)
    model(x)
    model.eval()
    together = model(x)
    torch.testing.assert_close(torch.cat([model(each[None]) for each in x]), together, rtol=1e-10, atol=1e-10)
    assert model(x[:0]).shape == (0, 3, *SIDE)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.testing.assert_close(model(x.to(memory_format=torch.channels_last)), together, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", SEGMENTERS)
@pytest.mark.parametrize("size", [(1, 1), (33, 50), (7, 100)])
def test_pictures_of_any_size_get_an_answer_for_each_pixel(name: str, size: tuple[int, int]) -> None:
    found = build(name).eval()(torch.randn(1, 2, *size))
    assert found.shape == (1, 3, *size)
    assert found.isfinite().all()


@pytest.mark.parametrize("name", SEGMENTERS)
def test_half_precision(name: str) -> None:
    model = build(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(pictures(2))
    assert output.isfinite().all()
    output.float().square().mean().backward()


@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_frozen_body_stays_as_it_is(name: str) -> None:
    model = Prepared(nn.Identity(), build(name))
    network = model.network
    assert network.state_dict()[f"{last_layer(network)}.weight"].shape[0] == 3
    assert all(name in dict(network.named_modules()) for name in output_layers(network))
    model.freeze(chosen_stages(network, ("body",)))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    model.train()
    loss_of(network, pictures(3), torch.randint(0, 3, (3, *SIDE))).backward()
    stages = stage_by_name(network)
    assert all((parameter.grad is None) == (stages[key] != HEAD) for key, parameter in network.named_parameters())
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items() if stages[key] != HEAD)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_layers_of_outputs_are_all_that_depends_on_the_classes(name: str) -> None:
    few, many = (models.build(name, tiny(name) | {"classes": classes}).state_dict() for classes in (3, 4))
    other = {key for key in few if few[key].shape != many[key].shape}
    layers = output_layers(build(name))
    assert other
    assert all(any(key.startswith(f"{layer}.") for layer in layers) for key in other)


@pytest.mark.parametrize(("name", "body"), [("fcn8", "vgg16"), ("fcn-resnet50", "resnet50"), ("deeplab-v3", "resnet50"), ("deeplab-v3-small", "resnet18")])
def test_a_classifiers_weights_fit_the_body(name: str, body: str) -> None:
    with torch.device("meta"):
        table = {"channels": 3, "size": 256, "classes": 5} | ({"width": 32} if name == "deeplab-v3-small" else {})
        network, classifier = models.build(name, table), models.build(body, table)
    theirs = classifier.state_dict()
    keys = network.body_keys()
    assert keys
    for own, other in keys.items():
        assert network.state_dict()[own].shape == theirs[other].shape, own
    assert {other for other in theirs if other not in keys.values()} == {key for key in theirs if key.startswith(("fc.", "classifier."))}
