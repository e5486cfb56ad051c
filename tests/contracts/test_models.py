"""To be listed in MODELS is to be tested: each model is built tiny, trained, saved, and counted at full size.

tests/export traces every one of them too, for any number of examples, and runs the graph on NumPy.
"""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.tiny import one_of_each, tiny
from sonde import models
from sonde.errors import RecipeError
from sonde.models.cbow import ContinuousBag
from sonde.models.skip_gram import SkipGram
from sonde.nn.prepared import Prepared, own_losses
from sonde.nn.sequence import LanguageModel, Translator
from sonde.nn.stages import HEAD, Staged, chosen_stages, last_layer, stage_by_name, stages_of

# Published parameter counts, at the sizes of the paper or of torchvision.
PHOTOGRAPHS = {"channels": 3, "size": 224, "classes": 1000}
SMALL_PICTURES = {"channels": 3, "size": 32, "classes": 10}
SENTENCES = {"vocabulary": 30_522, "outputs": 2}
DIGITS = {"channels": 1, "size": 28, "classes": 10}
PUBLISHED: dict[str, tuple[dict[str, Any], int]] = {
    "mlp": ({"numbers": 784, "outputs": 10, "width": 256}, 203_530),
    "lenet": (DIGITS, 61_706),
    "lenet-original": (DIGITS, 61_706),
    "resnet18": (PHOTOGRAPHS, 11_689_512),
    "resnet34": (PHOTOGRAPHS, 21_797_672),
    "resnet50": (PHOTOGRAPHS, 25_557_032),
    "resnet101": (PHOTOGRAPHS, 44_549_160),
    "resnet152": (PHOTOGRAPHS, 60_192_808),
    "resnet20": (SMALL_PICTURES, 269_722),  # 0.27 M in the paper
    "resnet32": (SMALL_PICTURES, 464_154),  # 0.46 M
    "resnet44": (SMALL_PICTURES, 658_586),  # 0.66 M
    "resnet56": (SMALL_PICTURES, 853_018),  # 0.85 M
    "resnet110": (SMALL_PICTURES, 1_727_962),  # 1.7 M
    "preresnet164": (SMALL_PICTURES, 1_703_258),  # 1.7 M
    "preresnet1001": (SMALL_PICTURES, 10_327_706),  # 10.2 M, its shortcuts counted otherwise
    "alexnet": (PHOTOGRAPHS | {"classes": 10}, 57_044_810),
    "alexnet-course": (PHOTOGRAPHS | {"classes": 10}, 46_787_978),
    "vgg11": (PHOTOGRAPHS, 132_863_336),
    "vgg13": (PHOTOGRAPHS, 133_047_848),
    "vgg16": (PHOTOGRAPHS, 138_357_544),
    "vgg19": (PHOTOGRAPHS, 143_667_240),
    "vgg11-bn": (PHOTOGRAPHS, 132_868_840),
    "vgg13-bn": (PHOTOGRAPHS, 133_053_736),
    "vgg16-bn": (PHOTOGRAPHS, 138_365_992),
    "vgg19-bn": (PHOTOGRAPHS, 143_678_248),
    "nin": (PHOTOGRAPHS, 7_595_176),  # its authors' file has 29 MB
    "nin-cifar": (SMALL_PICTURES, 966_986),  # 0.97 M
    "googlenet": (PHOTOGRAPHS, 6_624_904),
    "googlenet-paper": (PHOTOGRAPHS, 6_998_552),
    "inception-v2": (PHOTOGRAPHS, 11_285_224),  # 11,295,240 with the biases that its published weights have before each batch norm
    "inception-v3": (PHOTOGRAPHS | {"size": 299}, 23_834_568),
    "inception-v4": (PHOTOGRAPHS | {"size": 299}, 42_679_816),
    "inception-resnet-v2": (PHOTOGRAPHS | {"size": 299}, 55_843_464),
    "wide-resnet50-2": (PHOTOGRAPHS, 68_883_240),
    "wide-resnet101-2": (PHOTOGRAPHS, 126_886_696),
    "wide-resnet16-4": (SMALL_PICTURES, 2_748_890),  # 2.7 M in the paper
    "wide-resnet28-10": (SMALL_PICTURES, 36_479_194),  # 36.5 M
    "airbench94": (SMALL_PICTURES, 1_971_352),  # 1.97 M in the paper
    # Body and pooler as published for the uncased vocabulary (base: 109,482,240, large: 335,141,888), and a dense layer for two classes.
    "bert-tiny": (SENTENCES, 4_385_920 + 2 * 129),
    "bert-mini": (SENTENCES, 11_170_560 + 2 * 257),
    "bert-small": (SENTENCES, 28_763_648 + 2 * 513),
    "bert-medium": (SENTENCES, 41_373_184 + 2 * 513),
    "bert-base": (SENTENCES, 109_482_240 + 2 * 769),
    "bert-large": (SENTENCES, 335_141_888 + 2 * 1025),
}


NAMES = list(models.MODELS)
DISTINCT = [name for name in one_of_each() if not models.sees_scenes(name)]  # places in pictures: test_segmenters.py, test_detectors.py
COUNTED = ("unigram", "bigram", "trigram", "ngram")  # nothing of them is learned step by step
WORDS = ("skip-gram", "cbow")  # they read windows and score candidates
LEARNED = [name for name in DISTINCT if name not in COUNTED]


def usual(name: str) -> dict[str, Any]:
    """Full sizes, where nothing is published."""
    tokens = {"vocabulary": 1000, "outputs": 1000 if getattr(models.module(name).VARIANTS[name], "per", "") == "token" else 2}
    photographs = PHOTOGRAPHS | {"size": max(224, models.smallest(name, {}))} if models.accepts(name) == "images" else {}
    return {"images": photographs, "numbers": {"numbers": 1000, "outputs": 2}, "tokens": tokens}[models.accepts(name)]


def build(name: str, *, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return models.build(name, tiny(name))


def inputs_of(name: str, count: int, *, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(7)
    sizes = tiny(name)
    if models.accepts(name) == "images":
        return (torch.randn(count, sizes["channels"], sizes["size"], sizes["size"], generator=generator).to(dtype),)
    if models.accepts(name) == "tokens":
        tokens, target = (torch.randint(4, sizes["vocabulary"], (count, steps), generator=generator) for steps in (6, 4))
        lengths = torch.randint(4, 7, (count,), generator=generator)
        module = models.build(name, sizes)
        if name in WORDS:
            return tokens, torch.arange(sizes["vocabulary"]).expand(count, -1)
        if isinstance(module, Translator):
            return tokens, lengths, target
        return (tokens,) if models.config(name, sizes).per == "token" else (tokens, lengths)
    numbers = torch.randn(count, sizes["numbers"], generator=generator).to(dtype)
    if not sizes.get("categories"):
        return (numbers,)
    return numbers, torch.stack([torch.randint(codes, (count,), generator=generator) for codes in sizes["categories"]], dim=1)


def classes_of(name: str, count: int) -> Tensor:
    sizes = tiny(name)
    return torch.randint(sizes.get("classes", sizes.get("outputs", 2)), (count,), generator=torch.Generator().manual_seed(8))


def output_of(model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """What the model answers to each example; of what it says of each token the last."""
    if isinstance(model, LanguageModel) and len(inputs) == 1:
        return model.advance(inputs[0], None)[0][:, -1]
    output: Tensor = model(*inputs)
    if isinstance(model, (SkipGram, ContinuousBag)):  # scores by each word of a window
        return output.sum(1)
    return output[:, -1] if isinstance(model, Translator) else output


def loss_of(model: nn.Module, inputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
    """The model's own loss, or the cross-entropy of what it puts out."""
    own = own_losses(model)
    if own is None:
        return F.cross_entropy(output_of(model, inputs), targets)
    terms, _ = own(inputs, targets)
    return torch.stack([total / len(targets) for total, _ in terms.values()]).sum()


@pytest.mark.parametrize("name", NAMES)
def test_its_file_says_what_it_is(name: str) -> None:
    module = models.module(name)
    assert name in module.VARIANTS
    assert len((module.__doc__ or "").splitlines()[0]) > 20
    config = module.VARIANTS[name]
    assert dataclasses.is_dataclass(config)
    assert config.__dataclass_params__.frozen
    fields = {field.name for field in dataclasses.fields(config)}
    known = ({"channels", "size", "classes"}, {"numbers", "categories", "outputs"}, {"vocabulary", "outputs", "per"})
    assert sum(sizes <= fields for sizes in known) == 1


@pytest.mark.parametrize("name", NAMES)
def test_table_and_variants_agree(name: str) -> None:
    path = models.MODELS[name]
    assert set(importlib.import_module(path).VARIANTS) == {other for other, module in models.MODELS.items() if module == path}


@pytest.mark.parametrize("name", LEARNED)
def test_forward_and_backward(name: str) -> None:
    model = build(name)
    inputs = inputs_of(name, 6)
    output = output_of(model, inputs)
    sizes = tiny(name)
    assert output.shape[0] == 6
    assert output.shape[1:] in {(sizes.get("classes", sizes.get("outputs")),), (1,)}
    loss_of(model, inputs, classes_of(name, 6)).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name


@pytest.mark.parametrize("name", LEARNED)
def test_overfits_one_batch(name: str) -> None:
    model = build(name)
    inputs, targets = inputs_of(name, 6), classes_of(name, 6)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(400):
        optimizer.zero_grad()
        loss = loss_of(model, inputs, targets)
        loss.backward()
        optimizer.step()
        output = output_of(model, inputs)
        answers = output.argmax(1) if output.shape[1] > 1 else (output[:, 0] > 0).long()
        if torch.equal(answers, targets) and loss < 0.02:
            return
    pytest.fail(f"after 400 steps the loss is {loss:.3f} and the answers are {answers.tolist()}, not {targets.tolist()}")


@pytest.mark.parametrize("name", LEARNED)
def test_saves_and_loads(name: str, tmp_path: Path) -> None:
    first, second = build(name, seed=0), build(name, seed=1)
    loss_of(first, inputs_of(name, 6), classes_of(name, 6)).backward()  # running statistics move
    safetensors.torch.save_file(first.state_dict(), tmp_path / "weights.safetensors")
    second.load_state_dict(safetensors.torch.load_file(tmp_path / "weights.safetensors"))
    inputs = inputs_of(name, 3)
    assert torch.equal(output_of(first.eval(), inputs), output_of(second.eval(), inputs))


@pytest.mark.parametrize("name", DISTINCT)
def test_same_seed_same_weights(name: str) -> None:
    first, second = build(name, seed=3).state_dict(), build(name, seed=3).state_dict()
    assert list(first) == list(second)
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", DISTINCT)
def test_evaluation_does_not_depend_on_the_batch(name: str) -> None:
    model = build(name).double()
    inputs = inputs_of(name, 5, dtype=torch.float64)
    output_of(model, inputs)
    model.eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    together = output_of(model, inputs)
    alone = torch.cat([output_of(model, tuple(part[row : row + 1] for part in inputs)) for row in range(5)])
    torch.testing.assert_close(together, alone, rtol=1e-10, atol=1e-10)
    assert output_of(model, tuple(part[:0] for part in inputs)).shape[0] == 0
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", LEARNED)
def test_half_precision(name: str) -> None:
    model = build(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = output_of(model, inputs_of(name, 6))
    assert output.isfinite().all()
    output.float().square().mean().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("name", [name for name in DISTINCT if models.accepts(name) == "images"])
def test_channels_last_changes_nothing(name: str) -> None:
    model = build(name).double().eval()
    (images,) = inputs_of(name, 3, dtype=torch.float64)
    expected = model(images)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.testing.assert_close(model(images.to(memory_format=torch.channels_last)), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in DISTINCT if models.accepts(name) == "numbers"])
def test_models_of_numbers_read_pictures_too(name: str) -> None:
    model = models.build(name, tiny(name) | {"numbers": 12, "categories": ()})
    assert model(torch.randn(2, 3, 2, 2)).shape[0] == 2


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parameter_counts(name: str) -> None:
    sizes, count = PUBLISHED[name]
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in models.build(name, sizes).parameters()) == count


@pytest.mark.parametrize("name", NAMES)
def test_full_size_is_made_without_memory(name: str) -> None:
    with torch.device("meta"):
        model = models.build(name, PUBLISHED.get(name, (usual(name), 0))[0])
    assert all(tensor.is_meta for tensor in model.state_dict().values())


@pytest.mark.parametrize("name", NAMES)
def test_stages_cover_every_parameter_once_from_stem_to_head(name: str) -> None:
    sizes = {"categories": (3,)} if models.accepts(name) == "numbers" else {}
    with torch.device("meta"):
        network = models.build(name, PUBLISHED.get(name, (usual(name) | sizes, 0))[0])
    stages = list(stages_of(network))
    assert stages[-1] == HEAD
    assert set(stages) == set(stage_by_name(network).values())
    if models.accepts(name) == "images":
        assert isinstance(network, Staged)
        assert stages == ["stem", *(f"stage{number}" for number in range(1, len(stages) - 1)), HEAD]


@pytest.mark.parametrize("name", [name for name in DISTINCT if models.accepts(name) == "images"])
def test_a_frozen_body_stays_as_it_is_and_the_last_layer_gives_the_outputs(name: str) -> None:
    model = Prepared(nn.Identity(), build(name))
    network = model.network
    assert network.state_dict()[f"{last_layer(network)}.weight"].shape[0] == tiny(name)["classes"]
    model.freeze(chosen_stages(network, ("body",)))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    model.train()
    loss_of(network, inputs_of(name, 6), classes_of(name, 6)).backward()
    stages = stage_by_name(network)
    for key, parameter in network.named_parameters():
        assert (parameter.grad is None) == (stages[key] != HEAD), key
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items() if stages[key] != HEAD)


@pytest.mark.parametrize("name", DISTINCT)
def test_unknown_and_wrong_values_are_refused(name: str) -> None:
    key = "classes" if models.accepts(name) == "images" else "outputs"
    with pytest.raises(RecipeError, match=rf"model {name} has no value '{key}x'\n.*did you mean '{key}'"):
        models.config(name, {key + "x": 3})
    with pytest.raises(RecipeError, match=rf"model\.{key} = 'many'.*\n.*change model\.{key}"):
        models.config(name, {key: "many"})


def test_a_list_without_its_brackets_is_told_how_to_write_it() -> None:
    with pytest.raises(RecipeError, match=r"model\.widths = '8,16,16'.*\n.*write it in brackets: model\.widths=\[8,16,16\]"):
        models.config("airbench94", {"widths": "8,16,16"})


def test_unknown_models_are_answered_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"no model 'resnet19'\n.*did you mean 'resnet1"):
        models.build("resnet19", {})


def test_models_that_do_not_fit_are_refused_and_those_that_do_are_listed() -> None:
    with pytest.raises(RecipeError, match=r"model perceptron does not do regression\n.*models that fit: linear-regression, mlp$"):
        models.check_fit("perceptron", task="regression", data="numbers")
    with pytest.raises(RecipeError, match=r"model lenet reads pictures, and these data are none\n.*softmax-regression"):
        models.check_fit("lenet", task="classification", data="numbers")
    for name in NAMES:
        for task in models.FITS.get(name, ("classification",)):
            models.check_fit(name, task=task, data=models.accepts(name))
    assert set(models.FITS) <= set(NAMES)
