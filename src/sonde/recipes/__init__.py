"""Named recipes: each a recipe file beside this one, which `sonde recipes NAME` prints as it stands.

What each reaches stands in results.toml, written by the benchmarks that measured it. A recipe without an entry there
has not been measured.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Literal

from sonde.errors import RecipeError, did_you_mean
from sonde.recipe import Recipe, Section, parse

# name → file. The first line of each file says what it is.
RECIPES: dict[str, str] = {
    "digits": "digits.toml",
    "mnist-mlp": "mnist-mlp.toml",
    "mnist-lenet": "mnist-lenet.toml",
    "mnist-lenet-original": "mnist-lenet-original.toml",
    "cifar10-resnet20": "cifar10-resnet20.toml",
    "cifar10-airbench": "cifar10-airbench.toml",
    "cifar10-airbench94": "cifar10-airbench94.toml",
    "resnet18-cifar10": "resnet18-cifar10.toml",
    "cifar10-resnet18-light": "cifar10-resnet18-light.toml",
    "bccd-yolo-small": "bccd-yolo-small.toml",
    "bccd-ssd-small": "bccd-ssd-small.toml",
    "raccoon-yolo-small": "raccoon-yolo-small.toml",
    "cifar10-alexnet": "cifar10-alexnet.toml",
    "mnist-alexnet-course": "mnist-alexnet-course.toml",
    "mnist-vgg11": "mnist-vgg11.toml",
    "cifar10-vgg11-bn": "cifar10-vgg11-bn.toml",
    "cifar10-nin": "cifar10-nin.toml",
    "mnist-nin": "mnist-nin.toml",
    "cifar10-googlenet": "cifar10-googlenet.toml",
    "mnist-googlenet-paper": "mnist-googlenet-paper.toml",
    "cifar10-inception-v2": "cifar10-inception-v2.toml",
    "cifar10-inception-v3": "cifar10-inception-v3.toml",
    "mnist-inception-v4": "mnist-inception-v4.toml",
    "mnist-inception-resnet-v2": "mnist-inception-resnet-v2.toml",
    "cifar10-wide-resnet": "cifar10-wide-resnet.toml",
    "flowers-wide-resnet50-2": "flowers-wide-resnet50-2.toml",
    "mnist-preresnet110": "mnist-preresnet110.toml",
    "visual-words-flowers": "visual-words-flowers.toml",
    "california-mlp": "california-mlp.toml",
    "house-prices-mlp": "house-prices-mlp.toml",
    "house-prices-linear": "house-prices-linear.toml",
    "adult-mlp": "adult-mlp.toml",
    "titanic-mlp": "titanic-mlp.toml",
    "views-linear": "views-linear.toml",
    "sst2-embedding-bag": "sst2-embedding-bag.toml",
    "wnut17-lstm": "wnut17-lstm.toml",
    "sst2-minilm": "sst2-minilm.toml",
    "sick-minilm": "sick-minilm.toml",
    "sick-relatedness-minilm": "sick-relatedness-minilm.toml",
    "wnut17-minilm": "wnut17-minilm.toml",
    "tiny-bert": "tiny-bert.toml",
    "daily-views-mlp": "daily-views-mlp.toml",
    "fra-eng-transformer": "fra-eng-transformer.toml",
    "fra-eng-gru-attention": "fra-eng-gru-attention.toml",
    "multi30k-transformer": "multi30k-transformer.toml",
    "time-machine-rnn": "time-machine-rnn.toml",
    "time-machine-gru": "time-machine-gru.toml",
    "time-machine-lstm": "time-machine-lstm.toml",
    "time-machine-letters": "time-machine-letters.toml",
    "shakespeare-lstm": "shakespeare-lstm.toml",
    "shakespeare-ngram": "shakespeare-ngram.toml",
    "tiny-shakespeare-skip-gram": "tiny-shakespeare-skip-gram.toml",
    "camvid-u-net": "camvid-u-net.toml",
    "style-vgg": "style-vgg.toml",
}


class Result(Section):
    """What a recipe was measured to reach: `mean` ± `sd` of `metric` on `part`, over `seeds`, on the machine `where`.

    `sd` is the sample standard deviation, None of a long training that was run with one seed alone. `seconds` is the median time of one
    training, imports included.
    """

    metric: str
    part: Literal["validation", "test", "out-of-fold"]
    mean: float
    sd: float | None = None
    seeds: tuple[int, ...]
    where: str
    seconds: float | None = None


def text(name: str) -> str:
    """The recipe's file as it stands. Raises RecipeError for an unknown name."""
    if name not in RECIPES:
        raise RecipeError(f"there is no recipe {name!r}", remedy=did_you_mean(name, RECIPES))
    return resources.files(__name__).joinpath(RECIPES[name]).read_text(encoding="utf-8")


def load(name: str) -> Recipe:
    """The recipe. Raises RecipeError for an unknown name."""
    return parse(tomllib.loads(text(name)), where=f"recipe {name}")


def describe(name: str) -> str:
    """What the recipe is, in one line."""
    return text(name).splitlines()[0].removeprefix("#").strip()


def result(name: str) -> Result | None:
    """What the recipe was measured to reach, or None if it has not been measured."""
    measured = tomllib.loads(resources.files(__name__).joinpath("results.toml").read_text(encoding="utf-8"))
    return Result.model_validate(measured[name]) if name in measured else None
