"""A run of the BERT family as a folder of the hub: what it says, what reads it, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from sonde import fit
from sonde.data.prepare.tokenizers.bert import of_folder
from sonde.errors import RunError, UsageError
from sonde.export.hub import export
from sonde.finetune.source import open_source
from sonde.recipe import Recipe
from sonde.run import Run

TEXTS = ("the cat sleeps", "a dog barks loudly", "cats sleep all day", "dogs bark at night")
SMALL = {"width": 16, "layers": 1, "heads": 2, "hidden": 32, "length": 32}


def trained(folder: Path, **settings: Any) -> Run:
    path = folder / "texts.tsv"
    rows = [(f"{text} {number}", "cat" if "cat" in text else "dog", len(text)) for number in range(10) for text in TEXTS]
    path.write_text("text\tlabel\tlength\n" + "".join("\t".join(map(str, row)) + "\n" for row in rows))
    plain = Recipe().replace(data={"path": str(path), "text": "text", "target": ("label",)}, model={"name": "bert-tiny", "config": SMALL})
    return fit.train(plain.replace(training={"epochs": 1, "compile": False}).replace(**settings), out=folder / "run")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("hub"))


def test_what_is_written(run: Run, tmp_path: Path) -> None:
    done = export(run, tmp_path / "hub")
    assert (done.difference, done.checked > 0, done.examples) == (0.0, True, "examples of the training part")
    known = json.loads((tmp_path / "hub" / "config.json").read_text())
    assert (known["architectures"], known["hidden_size"], known["id2label"]) == (["BertForSequenceClassification"], 16, {"0": "cat", "1": "dog"})
    assert of_folder(tmp_path / "hub") == run.preparation.tokenizer
    again = export(run, tmp_path / "hub")  # an earlier export is replaced
    assert again.bytes == done.bytes
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "letter.txt").write_text("mine")
    with pytest.raises(UsageError, match="this exists, and is no earlier export"):
        export(run, tmp_path / "own")


def test_it_is_what_weights_begin_from(run: Run, tmp_path: Path) -> None:
    export(run, tmp_path / "hub")
    source = open_source(str(tmp_path / "hub"))
    assert source.labels == ("cat", "dog")
    second = trained(tmp_path, model={"name": None, "config": {}, "weights": str(tmp_path / "hub")}, training={"epochs": 0, "compile": False})
    for name, tensor in second.model.network.state_dict().items():
        torch.testing.assert_close(tensor, run.model.network.state_dict()[name])
    assert second.preparation.tokenizer == run.preparation.tokenizer


def test_transformers_loads_it(run: Run, tmp_path: Path) -> None:
    library = pytest.importorskip("transformers")
    export(run, tmp_path / "hub")
    model = library.AutoModelForSequenceClassification.from_pretrained(str(tmp_path / "hub")).eval()
    tokenizer = library.AutoTokenizer.from_pretrained(str(tmp_path / "hub"))
    read = tokenizer(list(TEXTS), padding=True, return_tensors="pt")
    tokens, lengths = (torch.from_numpy(each).long() for each in run.preparation.encode(run.part("train")[2].take(run.part("train")[1][:1])))
    assert tokens[0, 0] == read["input_ids"][0, 0]
    width = read["input_ids"].shape[1]
    with torch.no_grad():
        theirs = model(**read).logits
        mine = run.model.network(read["input_ids"], read["attention_mask"].sum(1))
    assert width > 0
    assert lengths[0] > 2
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


def test_a_vocabulary_that_is_not_that_of_the_weights(run: Run, tmp_path: Path) -> None:
    from sonde.errors import RecipeError

    export(run, tmp_path / "hub")
    (tmp_path / "hub" / "tokenizer.json").unlink()
    with (tmp_path / "hub" / "vocab.txt").open("a") as file:
        file.write("another\n")
    with pytest.raises(RecipeError, match=r"the vocabulary beside these weights has [\d,]+ pieces, and their embedding has"):
        trained(tmp_path, model={"name": None, "config": {}, "weights": str(tmp_path / "hub")})
    (tmp_path / "hub" / "vocab.txt").unlink()
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    with pytest.raises(RecipeError, match="these weights came without their vocabulary"):
        trained(tmp_path, model={"name": None, "config": {}, "weights": str(tmp_path / "hub")})


def test_other_families_have_no_form_there(tmp_path: Path) -> None:
    other = trained(tmp_path, model={"name": "embedding-bag", "config": {}})
    with pytest.raises(RunError, match=r"only models of the BERT family have a form on the hub, and this is embedding-bag"):
        export(other, tmp_path / "hub")
    assert not (tmp_path / "hub").exists()
