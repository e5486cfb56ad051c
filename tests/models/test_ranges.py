"""Which numbers the values of models may be: every field has a range, its ends can be built, and what lies beyond is refused."""

from __future__ import annotations

import types
import typing
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from models.tiny import one_of_each, tiny
from sonde import models
from sonde.cli.main import main
from sonde.errors import RecipeError
from sonde.models import ranges

# Field → a number to try where the least that is allowed does not go with the other values of a tiny model.
WITH_THE_OTHERS = {"width": 4, "warp": 32, "patches": 4, "extras": 2}


def file_of(name: str) -> str:
    return models.MODELS[name].rpartition(".")[2]


def holds_numbers(annotation: Any) -> bool:
    """Whether a value of this type has numbers that its type does not list."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, tuple):
        return any(holds_numbers(each) for each in typing.get_args(annotation))
    return annotation in (int, float)


def numbers_of(name: str) -> list[str]:
    """The fields of a model's Config that hold numbers."""
    hints = typing.get_type_hints(type(models.module(name).VARIANTS[name]))
    return [field for field, annotation in hints.items() if holds_numbers(annotation)]


EVERY = sorted({(file_of(name), field): name for name in models.MODELS for field in numbers_of(name)}.items())


@pytest.mark.parametrize("name", models.MODELS)
def test_every_number_has_a_range_and_every_variant_keeps_to_it(name: str) -> None:
    without = [field for field in numbers_of(name) if ranges.range_of(file_of(name), field) is None]
    assert not without, f"say in models/ranges.py which numbers these may be: {without}"
    models.config(name, {})


def test_the_table_has_no_field_that_no_model_has() -> None:
    assert set(ranges.RANGES) == {field for (_, field), _ in EVERY}
    assert set(ranges.OWN) <= {f"{file}.{field}" for (file, field), _ in EVERY}
    assert not holds_numbers(Literal[2, 3])
    assert holds_numbers(int | tuple[int, ...])


def like(default: Any, number: float) -> Any:
    """`number` in the form of `default`: a list of as many where that is one."""
    if isinstance(default, tuple):
        return tuple(like(each, number) for each in default) or (number,)
    return number


@pytest.mark.parametrize(("place", "name"), EVERY, ids=[".".join(place) for place, _ in EVERY])
def test_numbers_below_the_range_and_none_at_all_are_refused(place: tuple[str, str], name: str) -> None:
    file, field = place
    allowed = ranges.range_of(file, field)
    default = getattr(models.module(name).VARIANTS[name], field)
    assert allowed is not None
    wrong = [-1] + ([0] if allowed in (ranges.COUNT, ranges.POSITIVE) else []) + ([1] if allowed is ranges.DROPPED else [])
    if allowed in (ranges.DROPPED, ranges.SHARE, ranges.POSITIVE, ranges.NOT_NEGATIVE):
        wrong += [float("nan"), float("inf")]
    for number in wrong:
        with pytest.raises(RecipeError, match=rf"model\.{field} = .*{number:g}.*out of range\n.*give .*{allowed.words}"):
            models.config(name, {field: like(default, number)})


@pytest.mark.parametrize("name", one_of_each())
def test_the_least_number_that_is_allowed_can_be_built(name: str) -> None:
    variant, few = models.module(name).VARIANTS[name], tiny(name)
    for field in numbers_of(name):
        allowed = ranges.range_of(file_of(name), field)
        if field in ranges.OF_THE_DATA or field == "vocabulary" or allowed in (ranges.POSITIVE, None):
            continue
        least = WITH_THE_OTHERS.get(field, 0 if allowed.holds(0) else 1)
        with torch.device("meta"):
            models.build(name, few | {field: like(getattr(variant, field), least)})


@pytest.mark.parametrize(
    ("name", "table", "what", "remedy"),
    [
        ("alexnet", {"dropout": 1.5}, "model.dropout = 1.5 is out of range", "give a number from 0 to under 1; alexnet has 0.5 where nothing is said"),
        ("alexnet", {"padding": -1}, "model.padding = -1 is out of range", "give a whole number of at least 0; alexnet has 2 where nothing is said"),
        ("vgg11", {"scale": -1}, "model.scale = -1.0 is out of range", "give a number over 0; vgg11 has 1.0 where nothing is said"),
        ("resnet18", {"width": 0}, "model.width = 0 is out of range", "give a whole number of at least 1; resnet18 has 64 where nothing is said"),
        (
            "alexnet",
            {"filters": [8, 0, 8, 8, 8]},
            "model.filters = [8, 0, 8, 8, 8]: 0 is out of range",
            "give a list in which each is a whole number of at least 1; alexnet has [64, 192, 384, 256, 256] where nothing is said",
        ),
        ("ssd-small", {"ratios": [[2.0], [-2.0]]}, "model.ratios = [[2.0], [-2.0]]: -2.0 is out of range", "give a list in which each is a number over 0;"),
        ("preresnet110", {"dropout": 1}, "model.dropout = 1.0 is out of range", "give a number from 0 to under 1"),
        ("u-net", {"widths": []}, "model.widths = []: a list without entries", "give at least one entry; u-net has [64, 128, 256, 512, 1024]"),
        ("resnet18", {"size": -3}, "model.size = -3 is out of range", "give a whole number of at least 0"),
    ],
)
def test_what_is_said(name: str, table: dict[str, Any], what: str, remedy: str) -> None:
    with pytest.raises(RecipeError) as caught:
        models.config(name, table)
    assert (caught.value.what, caught.value.where, caught.value.exit_code) == (what, "model.config", 2)
    assert caught.value.remedy is not None
    assert caught.value.remedy.startswith(remedy)


def test_what_stands_for_something_else_is_allowed() -> None:
    assert models.config("googlenet", {"dropout": None}).dropout is None
    assert models.config("vgg11", {"grid": 0}).grid == 0
    assert models.config("mlp", {"width": []}).width == ()
    assert models.config("mlp", {"depth": 0}).depth == 0
    assert models.config("bert-tiny", {"hidden": 0}).hidden == 0
    assert models.config("embedding-bag", {"buckets": 0}).buckets == 0
    assert models.config("ssd-small", {"ratios": [[], [2.0], [2.0], [2.0]]}).ratios[0] == ()


@pytest.mark.parametrize("value", ["dropout=1.5", "padding=-1", "filters=[8,0,8,8,8]", "scale=-1"])
def test_the_command_line_refuses_it(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["train", "digits", "--model", "alexnet", "--size", "32", "--set", "model.stem=photo", "--set", f"model.{value}", "--epochs", "0"]
    assert main([*words, "--set", "data.examples=20", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert f"model.{value.split('=')[0]} = " in said
    assert "out of range\n  → give " in said


def test_sizes_that_the_data_decide_are_not_for_the_user_to_say() -> None:
    sizes = {"channels": 3, "size": 32, "classes": 10}
    found = models.full_table("resnet20", {"width": 8, "channels": 3}, of_data=sizes)
    assert {key: found[key] for key in (*sizes, "width")} == {**sizes, "width": 8}
    with pytest.raises(RecipeError, match=r"model\.channels = 5 is for the data to say, and they say 3\n.*--set data\.channels=1 .* 3 as colour"):
        models.full_table("resnet20", {"channels": 5}, of_data=sizes)
    with pytest.raises(RecipeError, match=r"model\.size = 64 is for the data to say, and they say 32\n.*--size brings"):
        models.full_table("resnet20", {"size": 64}, of_data=sizes)
    with pytest.raises(RecipeError, match=r"model\.classes = 4 .* they say 10\n.*leave out model\.classes"):
        models.full_table("resnet20", {"classes": 4}, of_data=sizes)
