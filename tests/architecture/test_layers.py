"""Imports point down: who may import whom inside the package, and who may use which outside package."""

from __future__ import annotations

import sys

import pytest

from architecture.source import Import, area, files, imports
from sonde import models

BELOW_RUN = frozenset({"recipe", "ops", "nn", "models", "optim", "metrics", "data", "tasks", "training"})
BELOW_FIT = BELOW_RUN | {"run", "run_folder", "predictions", "finetune", "experiment", "record", "recipes", "explain", "report"}

# area → areas that it may import besides itself; `errors` is open to all but scratch. cli and __init__ may import anything.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "recipe": frozenset(),
    "recipes": frozenset({"recipe"}),
    "ops": frozenset(),
    "nn": frozenset({"ops"}),
    "models": frozenset({"nn", "ops"}),
    "optim": frozenset(),
    "metrics": frozenset({"ops"}),
    "data": frozenset({"recipe", "ops"}),
    "tasks": frozenset({"ops", "metrics", "data", "nn"}),
    "training": frozenset({"recipe", "optim", "metrics", "data", "tasks", "nn"}),
    "run_folder": frozenset(),
    "detections": frozenset({"data", "metrics", "ops"}),
    "segments": frozenset({"data", "metrics", "ops", "tasks"}),
    "predictions": BELOW_RUN | {"detections"},
    "run": BELOW_RUN | {"run_folder", "predictions", "detections", "segments"},
    "finetune": BELOW_RUN | {"run"},
    "experiment": BELOW_RUN | {"run", "recipes", "finetune"},
    "record": BELOW_RUN | {"run", "run_folder", "predictions", "experiment"},
    "explain": BELOW_RUN | {"run", "run_folder", "writing", "detections", "segments"},
    "writing": BELOW_RUN | {"run"},
    "word_vectors": BELOW_RUN | {"run"},
    "embeddings": BELOW_RUN | {"run"},
    "mixture": BELOW_RUN | {"run"},
    "cost": BELOW_RUN | {"run", "recipes"},
    "export": BELOW_RUN | {"run", "word_vectors"},
    "scratch": frozenset(),
    "verify": BELOW_RUN | {"run", "experiment", "scratch", "cost"},
    "fit": BELOW_FIT,
    "search": BELOW_FIT | {"fit"},
    "style": BELOW_FIT | {"fit"},
    "sklearn": BELOW_FIT | {"fit"},
    "report": frozenset({"recipe"}),
}
ANYTHING = {"cli", "__init__", "__main__"}

# Where a layer may see only a part of another.
ONLY = {
    # tokenisers: how many characters of text a piece stands for, and the text of an answer
    ("tasks", "data"): {"sonde.data.batch", "sonde.data.prepare.tokenizers"},
    # the Protocols of a model that has its own loss, or auxiliary classifiers
    # and of a model of sequences
    ("tasks", "nn"): {"sonde.nn.prepared", "sonde.nn.auxiliary", "sonde.nn.sequence"},
    ("training", "data"): {"sonde.data.batch", "sonde.data.batches", "sonde.data.feed", "sonde.data.prepare.columns", "sonde.data.share"},
    ("training", "tasks"): {"sonde.tasks", "sonde.tasks.transforms"},
    ("training", "nn"): {"sonde.nn.prepared", "sonde.nn.scale", "sonde.nn.sequence", "sonde.nn.stages"},
}

# Names of modules above that are no imports.
STARTED = {("sonde.training.launch", "sonde.fit"): "what a new process is started with"}

# package → areas, or single modules, that may import it (also inside functions).
UPPER = frozenset(
    {"detections", "segments", "predictions", "run", "finetune", "writing", "word_vectors", "embeddings", "mixture", "experiment", "record", "fit"}
    | {"explain", "cost", "export", "search", "sklearn", "style", "verify"}
)
OUTSIDE: dict[str, frozenset[str]] = {
    "torch": frozenset({"ops", "nn", "models", "optim", "metrics", "data", "tasks", "training"}) | UPPER,
    "numpy": frozenset({"models", "metrics", "data", "tasks", "training", "report", "scratch", "sonde.cli.data"}) | UPPER,
    "polars": frozenset({"data", "report", "cli"}) | UPPER,
    "pydantic": frozenset({"recipe", "sonde.models", "sonde.cli.flags"}),
    "tomli_w": frozenset({"recipe"}),
    "sklearn": frozenset({"data", "search", "sklearn", "sonde.models.visual_words", "sonde.models.rcnn"}),
    "skimage": frozenset({"sonde.models.visual_words"}),
    "PIL": frozenset({"sonde.cli.style", "data", "explain", "export", "report"}),
    "tokenizers": frozenset({"data"}),
    "safetensors": frozenset({"sonde.models.weights", "training", "sonde.run", "export"}),
    "jaxtyping": frozenset({"ops", "nn", "models", "optim", "metrics", "data", "tasks", "training", "explain", "cost", "word_vectors", "embeddings"}),
    "huggingface_hub": frozenset({"sonde.finetune.hub"}),
    "faster_coco_eval": frozenset({"sonde.metrics.coco"}),
    "cyclopts": frozenset({"cli"}),
    "rich": frozenset({"cli"}),
}

# No torch here, so that errors, help and the doctor answer at once and reports are drawn anywhere.
LIGHT = (
    "sonde.errors",
    "sonde.recipe",
    "sonde.recipes",
    "sonde.run_folder",
    "sonde.report",
    "sonde.scratch",
    "sonde.data.readers",
    "sonde.data.open",
    "sonde.data.contents",
    "sonde.data.sets",
    "sonde.data.public_sets",
    "sonde.data.check",
    "sonde.data.checks",
)


def is_light(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in LIGHT)


def test_the_table_names_every_area() -> None:
    assert {area(module) for module in files()} <= set(MAY_IMPORT) | ANYTHING


def forbidden(found: Import) -> bool:
    here, there = area(found.module), area(found.target)
    if (found.module, found.target) in STARTED:
        return False
    if here in ANYTHING or there == here or (there == "errors" and here != "scratch"):
        return False
    if there not in MAY_IMPORT.get(here, frozenset()):
        return True
    only = ONLY.get((here, there))
    return only is not None and found.target not in only


def test_imports_point_down() -> None:
    inside = [found for found in imports() if found.target.split(".")[0] == "sonde"]
    wrong = [str(found) for found in inside if forbidden(found)]
    assert not wrong, "\n".join(["imports that the table of layers forbids:", *wrong])


def test_outside_packages_stay_where_they_belong() -> None:
    wrong = []
    for found in imports():
        package = found.target.split(".")[0]
        if package == "sonde" or package in sys.stdlib_module_names:
            continue
        allowed = OUTSIDE.get(package)
        if allowed is None or not ({area(found.module), found.module} & allowed) or (package == "torch" and is_light(found.module)):
            wrong.append(str(found))
    assert not wrong, "\n".join(["outside packages in the wrong place:", *wrong])


def test_light_modules_import_nothing_heavy() -> None:
    """A light module may not import one that imports torch either, except inside a function."""
    heavy = {found.module for found in imports() if found.target.split(".")[0] == "torch" and not found.late}
    edges = {(found.module, found.target) for found in imports() if not found.late}
    while True:
        more = {module for module, target in edges if target in heavy} - heavy
        if not more:
            break
        heavy |= more
    wrong = sorted(module for module in heavy if is_light(module) or area(module) in ANYTHING)
    assert not wrong, f"these would import torch at once: {wrong}"


def test_modules_do_not_import_in_circles() -> None:
    edges: dict[str, set[str]] = {module: set() for module in files()}
    for found in imports():
        if not found.late and found.target in files() and found.target != found.module:
            edges[found.module].add(found.target)
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            pytest.fail("import cycle: " + " → ".join([*path[path.index(module) :], module]))
        if module not in done:
            for target in sorted(edges[module]):
                visit(target, (*path, module))
            done.add(module)

    for module in edges:
        visit(module, ())


def test_only_one_model_family_a_file() -> None:
    """Models do not import each other; what two of them need stands in nn or ops. Detectors and segmenters stand on a classifier's body."""
    scenes = {path for name, path in models.MODELS.items() if models.sees_scenes(name)}
    siblings = [found for found in imports() if found.module.startswith("sonde.models.") and found.target.startswith("sonde.models.")]
    wrong = [str(found) for found in siblings if found.module not in scenes or found.target in scenes]
    assert not wrong, "\n".join(wrong)
