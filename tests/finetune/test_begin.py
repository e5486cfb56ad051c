"""Weights of one run as the start of another: what they decide, what starts anew, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

import sonde
from finetune.making import folders, notes, recipe, trained, weights
from sonde import fit
from sonde.errors import RecipeError
from sonde.recipe import Recipe
from sonde.run import Run, normalisation

OLD, NEW = ("cat", "dog", "hen"), ("hen", "pig")


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on three classes of colour pictures."""
    place = tmp_path_factory.mktemp("body")
    return trained(recipe(folders(place / "data", OLD)), place / "run")


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folders(tmp_path_factory.mktemp("new") / "data", NEW, seed=1)


def still(path: Path, source: Path | str) -> Recipe:
    """A recipe that takes weights, names no model, and trains for no epochs."""
    return Recipe().replace(data={"path": str(path)}, model={"weights": str(source)}, training={"epochs": 0, "compile": False})


def test_a_run_decides_model_and_normalisation_and_its_head_starts_anew(body: Run, new: Path, tmp_path: Path) -> None:
    run = trained(still(new, body.path), tmp_path / "run")
    mine, theirs = weights(run), weights(body, "best")
    assert run.description["model"]["name"] == "resnet20"
    assert run.description["model"]["config"]["width"] == 4
    assert mine["linear.weight"].shape == (2, 16)
    for name in theirs:
        assert torch.equal(mine[name], theirs[name]) or name.startswith("linear"), name
    assert normalisation(run.preparation, run.recipe) == normalisation(body.preparation, body.recipe)
    assert run.description["begun"] == {
        "weights": str(body.path),
        "taken": len(theirs) - 2,
        "fresh": ["linear.weight", "linear.bias"],
        "unused": [],
        "kept_labels": [],
    }
    assert "linear.weight, linear.bias start anew" in notes(run)
    assert f"pictures are normalised as {body.path} had them; --set data.normalise=data" in notes(run)
    assert run.predict(sorted(new.glob("*/*.png"))[:3])["prediction"].is_in(NEW).all()


def test_rows_of_shared_labels_are_kept(body: Run, new: Path, tmp_path: Path) -> None:
    run = trained(still(new, body.path).replace(model={"keep_labels": "auto"}), tmp_path / "run")
    old, mine = weights(body, "best"), weights(run)
    assert torch.equal(mine["linear.weight"][0], old["linear.weight"][OLD.index("hen")])
    assert torch.equal(mine["linear.bias"][0], old["linear.bias"][OLD.index("hen")])
    assert not any(torch.equal(mine["linear.weight"][1], row) for row in old["linear.weight"])
    assert run.description["begun"]["kept_labels"] == ["hen"]
    assert "rows kept for 1 of 2 labels: hen" in notes(run)


def test_as_many_labels_that_are_others_start_anew_and_the_same_ones_stay(body: Run, tmp_path: Path) -> None:
    others = trained(still(folders(tmp_path / "others", ("cow", "fox", "owl")), body.path), tmp_path / "others-run")
    assert others.description["begun"]["fresh"] == ["linear.weight", "linear.bias"]
    same = trained(still(folders(tmp_path / "same", OLD, seed=2), body.path), tmp_path / "same-run")
    assert all(torch.equal(weights(same)[name], value) for name, value in weights(body, "best").items())
    assert same.description["begun"]["fresh"] == []


def test_one_checkpoint_and_a_bare_file_of_it(body: Run, new: Path, tmp_path: Path) -> None:
    folder = sorted((body.path / "checkpoints").glob("step-*"))[0]
    run = trained(still(new, folder), tmp_path / "checkpoint")
    assert torch.equal(weights(run)["conv1.weight"], safetensors.torch.load_file(folder / "weights.safetensors")["conv1.weight"])
    assert run.description["begun"]["weights"] == str(folder)
    (tmp_path / "w.safetensors").write_bytes((folder / "weights.safetensors").read_bytes())
    bare = still(new, tmp_path / "w.safetensors").replace(model={"name": "resnet20", "config": {"blocks": 1, "width": 4}})
    plain = trained(bare, tmp_path / "bare")
    assert "the file does not say how its pictures were normalised, so mean and spread are fitted" in notes(plain)
    assert plain.preparation.mean != body.preparation.mean


def test_averaged_weights_are_what_is_taken(new: Path, tmp_path: Path) -> None:
    kept = trained(recipe(folders(tmp_path / "data", OLD), ema=0.9), tmp_path / "kept")
    run = trained(still(new, kept.path), tmp_path / "run")
    assert torch.equal(weights(run)["conv1.weight"], kept.model.network.conv1.weight)
    assert not torch.equal(weights(run)["conv1.weight"], weights(kept, "best")["conv1.weight"])


def test_grey_pictures_are_read_as_the_weights_want_them(body: Run, tmp_path: Path) -> None:
    run = trained(still(folders(tmp_path / "grey", NEW, grey=True), body.path), tmp_path / "run")
    assert run.preparation.channels == 3
    assert run.recipe.data.channels == 3
    assert run.model.network.conv1.weight.shape[1] == 3


@pytest.mark.parametrize(
    ("asked", "mean"),
    [(False, [0.0, 0.0, 0.0]), ("imagenet", [0.485, 0.456, 0.406]), ({"mean": [0.1, 0.2, 0.3], "std": [1, 1, 2]}, [0.1, 0.2, 0.3])],
)
def test_normalisation_can_be_chosen(body: Run, new: Path, tmp_path: Path, asked: object, mean: list[float]) -> None:
    run = trained(still(new, body.path).replace(data={"normalise": asked}), tmp_path / "run")
    found = normalisation(run.preparation, run.recipe)
    assert found["mean"] == mean
    again = Run.load(run.path)
    assert torch.equal(again.model.normalise.shift, run.model.normalise.shift)


def test_normalisation_by_the_data_is_that_of_a_run_without_weights(body: Run, new: Path, tmp_path: Path) -> None:
    run = trained(still(new, body.path).replace(data={"normalise": "data"}), tmp_path / "run")
    assert run.preparation == trained(recipe(new, epochs=0), tmp_path / "plain").preparation


def test_a_table_is_read_as_the_run_read_it(tmp_path: Path) -> None:
    rows = [f"{n / 7:.3f},{'abc'[n % 3]},{'yes' if n % 3 else 'no'}" for n in range(60)]
    (tmp_path / "old.csv").write_text("x,kind,y\n" + "\n".join(rows))
    (tmp_path / "new.csv").write_text("x,kind,y\n" + "\n".join(f"{9 + n},{'cba'[n % 3]},{'yes' if n % 2 else 'no'}" for n in range(60)))
    table = {"data": {"path": str(tmp_path / "old.csv"), "target": ("y",)}, "training": {"epochs": 1, "compile": False}}
    old = trained(Recipe().replace(**table, model={"name": "mlp", "config": {"width": 4}}), tmp_path / "old")
    start = still(tmp_path / "new.csv", old.path).replace(data={"target": ("y",)})
    run = trained(start, tmp_path / "run")
    assert run.preparation == old.preparation
    assert all(torch.equal(weights(run)[name], value) for name, value in weights(old, "best").items())
    assert "columns are read as" in notes(run)
    with pytest.raises(RecipeError, match=r"data\.normalise: this normalisation is one of pictures"):
        trained(start.replace(data={"normalise": "imagenet"}), tmp_path / "wrong")


def test_the_run_can_be_repeated_from_its_recipe_in_another_folder(
    body: Run, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(body.path.parent)
    first = trained(still(new, body.path.name), tmp_path / "first")
    monkeypatch.chdir(tmp_path)
    second = trained(fit.recipe_for(str(first.path / "recipe.toml")), tmp_path / "second")
    assert all(torch.equal(weights(second)[name], value) for name, value in weights(first).items())


def test_a_resume_needs_the_old_weights_no_more(new: Path, tmp_path: Path) -> None:
    body = trained(recipe(folders(tmp_path / "data", OLD)), tmp_path / "body")
    model = {"name": None, "config": {}, "weights": str(body.path), "freeze": ("stem",)}
    start = recipe(new, model=model, optim={"body_lr": 0.25, "schedule": "constant"}, ema=0.5)
    straight = trained(start.replace(training={"epochs": 4}), tmp_path / "straight")
    cut = trained(start, tmp_path / "cut")
    (tmp_path / "body").rename(tmp_path / "gone")
    resumed = fit.resume(cut.path, cut.recipe.replace(training={"epochs": 4}))
    assert all(torch.equal(weights(resumed)[name], value) for name, value in weights(straight).items())
    assert resumed.preparation == straight.preparation


def test_weights_of_another_architecture_are_named(body: Run, new: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"conv1\.bias is missing(.|\n)*they look like weights of resnet20: --model resnet20"):
        trained(still(new, body.path).replace(model={"name": "lenet"}, data={"size": 12}), tmp_path / "run")


def test_a_run_says_at_which_size_it_was_trained(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", OLD)
    body = trained(recipe(data, model={"name": "lenet", "config": {}}).replace(data={"size": 12}), tmp_path / "body")
    with pytest.raises(RecipeError, match=r"fc1\.weight is 120×16 in the file and 120×\d+ in the model(.|\n)*pictures of 12×12: --size 12"):
        trained(still(data, body.path).replace(data={"size": 24}), tmp_path / "run")


def test_a_size_is_advised_only_where_it_is_what_differs(body: Run, new: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        trained(still(new, body.path).replace(model={"config": {"width": 6}}), tmp_path / "run")
    said = str(caught.value)
    assert said.endswith("the run was trained with model.width = 4: leave out what is set otherwise here")
    assert "--size" not in said


def test_what_cannot_be_a_start_is_said(body: Run, new: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nothing: there are no such weights\n.*a run's folder, or the name of a model on the Hugging Face hub"):
        trained(still(new, "nothing"), tmp_path / "a")
    (tmp_path / "t.csv").write_text("x,y\n" + "\n".join(f"{n},{n % 2}" for n in range(40)))
    with pytest.raises(RecipeError, match="this run learned from images, and these data are table"):
        trained(still(tmp_path / "t.csv", body.path).replace(data={"target": ("y",)}), tmp_path / "b")
    torch.save({"a.weight": torch.zeros(3, 3)}, tmp_path / "w.pt")
    with pytest.raises(RecipeError, match=r"w\.pt: these weights do not say which model they are of\n.*name it with --model"):
        trained(still(new, tmp_path / "w.pt"), tmp_path / "c")
    state = weights(body)
    state["conv1.weight"] = state["conv1.weight"][:, :2].repeat(1, 2, 1, 1)
    torch.save(state, tmp_path / "four.pt")
    four = still(new, tmp_path / "four.pt").replace(model={"name": "resnet20", "config": {"blocks": 1, "width": 4}})
    with pytest.raises(RecipeError, match=r"these weights read pictures of 4 channels; pictures here have 1 \(grey\) or 3 \(colour\)"):
        trained(four, tmp_path / "d")
    with pytest.raises(RecipeError, match=r"the normalisation has 3 numbers under mean, and pictures here have 1 channels"):
        trained(recipe(folders(tmp_path / "grey", NEW, grey=True)).replace(data={"normalise": "imagenet"}), tmp_path / "e")


def test_k_folds_are_no_start(new: Path, tmp_path: Path) -> None:
    folded = sonde.train(new, model="resnet20", folds=2, epochs=0, settings={"model.blocks": 1, "model.width": 4}, out=tmp_path / "k")
    with pytest.raises(RecipeError, match=r"a K-fold, which has no weights of its own\n.*name one of its folds: .*folds/1"):
        trained(still(new, folded.path), tmp_path / "run")


def test_labels_that_share_nothing_and_labels_of_another_number(body: Run, tmp_path: Path) -> None:
    data = folders(tmp_path / "data", ("x", "y"))
    with pytest.raises(RecipeError, match=r"--keep-labels: the old and the new labels have none in common: old cat, dog, hen; new x, y\n"):
        trained(still(data, body.path).replace(model={"keep_labels": "auto"}), tmp_path / "a")
    (tmp_path / "labels.txt").write_text("x\ny\n")
    with pytest.raises(RecipeError, match=r"labels\.txt: there are 2 labels for 3 outputs of the weights"):
        trained(still(data, body.path).replace(model={"keep_labels": str(tmp_path / "labels.txt")}), tmp_path / "b")
    torch.save(weights(body), tmp_path / "w.pt")
    plain = still(data, tmp_path / "w.pt").replace(model={"name": "resnet20", "config": {"blocks": 1, "width": 4}, "keep_labels": "auto"})
    with pytest.raises(RecipeError, match=r"--keep-labels: these weights do not say what their outputs stand for\n.*--keep-labels labels\.txt"):
        trained(plain, tmp_path / "c")


def test_labels_to_keep_without_weights_are_refused(new: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"--keep-labels: there is no old classifier to keep rows of, as there are no --weights\n.*--weights"):
        trained(recipe(new, model={"keep_labels": "auto"}), tmp_path / "run")


def test_labels_are_not_kept_behind_hidden_layers(body: Run, new: Path, tmp_path: Path) -> None:
    said = r"--keep-labels: no row of the old classifier can be kept behind the hidden layers of model\.new_head = \[8\]"
    start = still(new, body.path).replace(model={"keep_labels": "auto", "config": {"new_head": 8}})
    with pytest.raises(RecipeError, match=said):
        trained(start, tmp_path / "a")
    hidden = trained(recipe(new, model={"config": {"blocks": 1, "width": 4, "new_head": 8}}, epochs=0), tmp_path / "hidden")
    data = folders(tmp_path / "data", OLD)
    with pytest.raises(RecipeError, match=said):  # hidden layers of the same widths start anew as well
        trained(still(data, hidden.path).replace(model={"keep_labels": "auto"}), tmp_path / "b")
    same = trained(still(new, hidden.path).replace(model={"keep_labels": "auto"}), tmp_path / "same")
    assert all(torch.equal(weights(same)[name], value) for name, value in weights(hidden).items())


def test_labels_of_a_file(body: Run, tmp_path: Path) -> None:
    data = folders(tmp_path / "data", ("Red_Fox", "owl"))
    (tmp_path / "labels.json").write_text(json.dumps({"0": ["n1", "ape"], "1": ["n2", "red fox"], "2": ["n3", "elk"]}))
    torch.save(weights(body), tmp_path / "w.pt")
    model = {"name": "resnet20", "config": {"blocks": 1, "width": 4}, "keep_labels": str(tmp_path / "labels.json")}
    run = trained(still(data, tmp_path / "w.pt").replace(model=model), tmp_path / "run")
    assert run.description["begun"]["kept_labels"] == ["Red_Fox"]
    assert torch.equal(weights(run)["linear.weight"][0], weights(body)["linear.weight"][1])
