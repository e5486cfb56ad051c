"""Visual words from pictures to an SVM's margins: deterministic, stored as tensors, used as any other model is."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sonde import fit, models
from sonde.errors import RecipeError
from sonde.models import weights
from sonde.models.visual_words import VisualWords
from sonde.recipe import Recipe
from sonde.run import Run

SMALL = {"channels": 1, "size": 24, "classes": 3, "words": 12, "patches": (12, 16)}


def stripes(count: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 (picture, 24, 24) with lying, standing or slanting stripes in noise, of any brightness."""
    draw = np.random.default_rng(seed)
    down, across = np.mgrid[:24, :24]
    labels = np.arange(count) % 3
    along = [down, across, (down + across) / 2**0.5]
    waves = [np.sin(along[label] * draw.uniform(1.0, 1.4) + draw.uniform(0, 6)) for label in labels]
    pictures = 128 + draw.uniform(-40, 40, (count, 1, 1)) + 40 * np.stack(waves) + draw.normal(size=(count, 24, 24)) * 12
    return pictures.clip(0, 255).astype(np.uint8), labels


def build(**config: Any) -> VisualWords:
    torch.manual_seed(0)
    built = models.build("visual-words", {**SMALL, **config})
    assert isinstance(built, VisualWords)
    return built


def train(out: Path, *, config: dict[str, Any] | None = None, **training: Any) -> Run:
    recipe = Recipe().replace(
        model={"name": "visual-words", "config": {"words": 12, "patches": [12, 16], **(config or {})}},
        training={"compile": False, "device": "cpu", **training},
    )
    return fit.train(recipe, data=stripes(150), out=out)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(tmp_path_factory.mktemp("words") / "run")


def test_it_tells_stripes_apart_and_says_how(run: Run) -> None:
    assert run.metrics["accuracy"] > 0.9
    assert run.metrics["calibration-error"] < 0.25
    assert run.metrics_file["epochs"] == 0
    assert "a linear SVM a class on" in (run.path / "events.jsonl").read_text()
    assert float(run.model.network.classifier.scale) != 1.0  # type: ignore[union-attr, arg-type]


def test_the_same_seed_gives_the_same_run_and_it_is_opened_again(run: Run, tmp_path: Path) -> None:
    again = train(tmp_path / "again")
    ours, theirs = run.model.state_dict(), Run.load(again.path).model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    pictures, labels = stripes(30, seed=1)
    found = Run.load(run.path).predict(pictures)
    assert (found["prediction"].cast(int).to_numpy() == labels).mean() > 0.9
    resumed = fit.resume(again.path, data=stripes(150))
    assert resumed.metrics == run.metrics


def began(run: Run, out: Path, labels: np.ndarray, **more: Any) -> Run:
    """A run that takes the weights of `run`, and has no epoch to change them."""
    model = {"weights": str(run.path), "config": {"solver": "gradient"}, **more}
    chosen = Recipe().replace(model=model, training={"compile": False, "device": "cpu", "epochs": 0})
    return fit.train(chosen, data=(stripes(len(labels))[0], labels), out=out, pages=False)


def weights_of(run: Run) -> dict[str, torch.Tensor]:
    return run.model.network.state_dict()  # type: ignore[union-attr, operator]


@pytest.mark.parametrize("labels", [np.arange(60) % 3 + 5, np.arange(60) % 2])
def test_for_other_labels_the_classifier_starts_anew_and_the_words_stay(run: Run, tmp_path: Path, labels: np.ndarray) -> None:
    found = began(run, tmp_path / "run", labels)
    assert found.description["begun"]["fresh"] == ["classifier.weight", "classifier.bias", "classifier.scale"]
    old, new = weights_of(run), weights_of(found)
    assert torch.equal(new["words"], old["words"])
    assert new["classifier.weight"].shape == (len(set(labels)), 60)
    assert not new["classifier.weight"].any()
    assert new["classifier.scale"] == 1


def test_for_the_same_labels_all_is_kept_and_for_shared_ones_their_logits(run: Run, tmp_path: Path) -> None:
    same = began(run, tmp_path / "same", np.arange(60) % 3)
    assert same.description["begun"]["fresh"] == []
    assert all(torch.equal(weights_of(same)[name], value) for name, value in weights_of(run).items())
    shared = began(run, tmp_path / "shared", np.arange(60) % 2 + 2, keep_labels="auto")  # 2 and 3
    assert shared.description["begun"]["kept_labels"] == ["2"]
    images = stripes(6)[0][:, None]
    old, new = (found.model(torch.from_numpy(images)) for found in (run, shared))
    torch.testing.assert_close(new[:, 0], old[:, 2])
    assert not new[:, 1].any()


def test_weights_of_before_the_classifier_was_a_layer_still_load(run: Run) -> None:
    old = {name.removeprefix("classifier."): value for name, value in weights_of(run).items()}
    assert set(old) == {"words", "weight", "bias", "scale"}
    for load in (lambda model: model.load_state_dict(old), lambda model: weights.fill(model, old, where="w")):
        model = build()
        load(model)
        assert all(torch.equal(model.state_dict()[name], value) for name, value in weights_of(run).items())


def test_epochs_ask_for_a_gradient(tmp_path: Path) -> None:
    run = train(tmp_path / "run", epochs=30)
    assert run.recipe.model.config["solver"] == "gradient"
    assert run.metrics["accuracy"] > 0.8


def test_histograms_have_length_1_and_do_not_see_brightness() -> None:
    model = build(pyramid=3)
    images = torch.rand(5, 1, 24, 24)
    found = model.histograms(images)
    assert found.shape == (5, 12 * (1 + 4 + 16))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(model.histograms(0.5 * images + 2), found)
    assert not model.histograms(torch.ones(1, 1, 24, 24)).any()


def test_a_histogram_counts_its_words() -> None:
    """Of the first level the squares are the words' shares; of the others those in each quarter, rows of quarters after one another."""
    model = build(pyramid=2, patches=(12,), words=3)
    images = torch.rand(1, 1, 24, 24)
    found, where = model._described(images)
    labels = torch.cdist(found[0], model.words).argmin(1)
    quarter = (where[0, :, 0] >= 0.5).long() * 2 + (where[0, :, 1] >= 0.5).long()
    whole, quarters = model.histograms(images)[0].split([3, 12])
    share = F.one_hot(labels, 3).float().mean(0)
    torch.testing.assert_close(whole.square() / whole.square().sum(), share)
    for number, part in enumerate(quarters.split(3)):
        torch.testing.assert_close(part.square() / part.square().sum(), F.one_hot(labels[quarter == number], 3).float().mean(0))
    assert whole.square().sum() == pytest.approx(0.5)  # either level weighs a half


def test_colours_are_seen_where_asked_for() -> None:
    grey = torch.rand(1, 1, 24, 24).expand(1, 3, 24, 24).contiguous()
    assert build(channels=3, colour="opponent").words.shape == (12, 384)
    assert build(channels=3).words.shape == build(colour="opponent").words.shape == (12, 128)
    found, _ = build(channels=3, colour="opponent")._described(grey)
    assert not found[..., : 2 * 128].abs().max() > 1e-4  # no colour against another in grey


def test_sift_finds_its_places_itself() -> None:
    pytest.importorskip("skimage")
    model = build(size=64, descriptors="sift")
    draw = torch.Generator().manual_seed(0)
    images = F.interpolate(torch.rand(2, 1, 12, 12, generator=draw), (64, 64), mode="bicubic")
    images = torch.cat([images, torch.ones(1, 1, 64, 64)])
    found, where = model._described(images)
    assert found.shape[2] == 128 and where.shape == (*found.shape[:2], 2)
    assert found[:2].any(2).sum() > 10
    assert not found[2].any()
    assert where.min() >= 0 and where.max() <= 1
    brighter, _ = model._described(0.5 * images + 1)
    torch.testing.assert_close(brighter, found, rtol=0, atol=0.05)
    assert model(images).shape == (3, 3)


def test_sift_without_scikit_image_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("skimage"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(RecipeError, match=r"scikit-image, which is not installed\n.*pip install 'sonde\[classical\]'"):
        build(descriptors="sift")(torch.rand(1, 1, 24, 24))


def test_what_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"patches \[10\]\n.*multiples of 4"):
        build(patches=(10,))
    with pytest.raises(RecipeError, match=r"too few for 99999 words\n.*--set model.words="):
        train(tmp_path / "run", config={"words": 99999})


def test_two_classes_and_a_class_without_examples() -> None:
    model = build(classes=3)
    images = torch.from_numpy(stripes(60)[0]).float()[:, None] / 255
    labels = torch.arange(60) % 3
    two = labels != 1
    model.start([((images,), labels)])
    model.finish([((images[two],), labels[two])], lambda event: None)
    found = model(images[two])
    assert (found.argmax(1) == labels[two]).float().mean() > 0.9
    assert (found[:, 1] < found[:, [0, 2]].amin(1)).all()
