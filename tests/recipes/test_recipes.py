"""Named recipes: each can be read, says what it is, and claims nothing that was not measured."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

import sonde.recipes
from sonde import recipe
from sonde.errors import RecipeError
from sonde.models import MODELS
from sonde.recipes import RECIPES
from sonde.recipes.defaults import for_another_model


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_loads_and_says_what_it_is(name: str) -> None:
    loaded = sonde.recipes.load(name)
    assert loaded.data.path
    assert sonde.recipes.describe(name).endswith((".", "GPU."))
    assert len(sonde.recipes.describe(name)) < 130


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_for_a_set_that_exists(name: str) -> None:
    from sonde.data.open import known_sets

    assert sonde.recipes.load(name).data.path in known_sets()


@pytest.mark.parametrize("name", RECIPES)
def test_printed_recipe_is_a_recipe_file(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "mine.toml"
    copy.write_text(sonde.recipes.text(name), encoding="utf-8")
    assert recipe.read(copy) == sonde.recipes.load(name)


def test_every_file_is_listed() -> None:
    shipped = {entry.name for entry in resources.files("sonde.recipes").iterdir() if entry.name.endswith(".toml")}
    assert shipped == {*RECIPES.values(), "results.toml"}


def test_results_name_recipes_that_exist() -> None:
    measured = [name for name in RECIPES if sonde.recipes.result(name)]
    for name in measured:
        result = sonde.recipes.result(name)
        assert result is not None
        assert len(result.seeds) >= 3 if result.sd is not None else len(result.seeds) == 1
        assert result.where


# Files of networks for pictures, from LeNet on: of each at least one form has been trained on a real set.
PICTURES = ("lenet", "alexnet", "vgg", "nin", "googlenet", "inception_v2", "inception_v3", "inception_v4", "inception_resnet_v2")
PICTURES += ("resnet", "resnet_cifar", "preresnet", "airbench", "visual_words")


@pytest.mark.parametrize("file", PICTURES)
def test_every_network_for_pictures_has_a_measured_recipe(file: str) -> None:
    trained = {sonde.recipes.load(name).model.name or "" for name in RECIPES if sonde.recipes.result(name)}
    assert f"sonde.models.{file}" in {MODELS.get(name) for name in trained}


def test_results_stand_under_the_names_of_recipes() -> None:
    import tomllib

    text = resources.files("sonde.recipes").joinpath("results.toml").read_text(encoding="utf-8")
    assert set(tomllib.loads(text)) <= set(RECIPES)


def test_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match="there is no recipe 'digts'") as caught:
        sonde.recipes.load("digts")
    assert caught.value.remedy == "did you mean 'digits'?"


@pytest.mark.parametrize("name", RECIPES)
def test_model_and_task_take_what_the_recipe_gives_them(name: str) -> None:
    import importlib

    from sonde import models
    from sonde.tasks import TASKS

    loaded = sonde.recipes.load(name)
    if loaded.model.name is not None:
        models.config(loaded.model.name, loaded.model.config)
    if loaded.task.name is not None:
        module, _, cls = TASKS[loaded.task.name].partition(":")
        assert set(loaded.task.options) <= set(getattr(importlib.import_module(module), cls).OPTIONS)


def test_another_model_leaves_what_belonged_to_the_recipes_own() -> None:
    googlenet = sonde.recipes.load("cifar10-googlenet")
    assert for_another_model(googlenet, {"epochs": 3}) == googlenet
    assert for_another_model(googlenet, {"model": "googlenet"}) == googlenet
    lenet = for_another_model(googlenet, {"model": "lenet"})
    assert lenet.model.config == {} and lenet.training == googlenet.training and lenet.optim == googlenet.optim


@pytest.mark.parametrize(("source", "model"), [("digits", "visual-words"), ("shakespeare-lstm", "trigram")])
def test_a_model_that_takes_no_epochs_does_not_inherit_any(source: str, model: str) -> None:
    left = for_another_model(sonde.recipes.load(source), {"model": model})
    assert left.training.epochs is None and left.model.config == {}


def test_visual_words_on_the_digits_is_solved_by_its_support_vectors(tmp_path: Path) -> None:
    run = sonde.train("digits", model="visual-words", size=24, settings={"model.words": 10}, examples=200, out=tmp_path / "run")
    assert run.recipe.training.epochs == 0 and run.recipe.model.config.get("solver", "svm") == "svm"
    asked = sonde.train("digits", model="visual-words", size=24, epochs=1, settings={"model.words": 10}, examples=200, out=tmp_path / "asked")
    assert asked.recipe.training.epochs == 1 and asked.recipe.model.config["solver"] == "gradient"
