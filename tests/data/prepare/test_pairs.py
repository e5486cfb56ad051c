"""Pairs as numbers: two vocabularies or one, ends, cut lengths, and parts that share no source."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from sonde.data.assemble import assemble
from sonde.data.contents import Content, Examples
from sonde.data.prepare.columns import build_columns
from sonde.data.prepare.fit import fit_preparation, load_preparation, save_preparation
from sonde.data.prepare.target import fit_target
from sonde.data.prepare.text import TextPreparation
from sonde.data.prepare.tokenizers import END
from sonde.data.split import Selection, split
from sonde.errors import DataError, RecipeError
from sonde.ops.losses import NO_TARGET
from sonde.recipe import Data, Recipe

SOURCES = ["go on", "go", "we go on", "stop", "go"]
TARGETS = ["va va", "va", "on va va loin", "stop", "allez"]


def content() -> Content:
    frame = pl.DataFrame({"source": SOURCES, "target": TARGETS})
    return Content("pairs", "pairs.tsv", "pairs", "5 pairs", {"all": Examples(frame)}, "f", target="target")


def fitted(options: dict[str, Any] | None = None, **data: Any) -> tuple[Any, Any]:
    train = Selection(content().parts["all"], np.arange(5))
    chosen = Data(floor=1, **data)
    prep = fit_preparation(content(), train, chosen, task="translation", targets=("target",), options=options)
    assert isinstance(prep, TextPreparation)
    return prep, fit_target("translation", options or {}, train, ("target",), text=prep, data=chosen)


def test_targets_end_and_what_follows_is_nothing() -> None:
    prep, target = fitted()
    tokens = target.encode(content().parts["all"].frame)
    pieces = target.values["tokenizer"]["words"]
    assert target.outputs == len(pieces) + 4
    assert tokens.shape == (5, 5)  # four words and END
    assert tokens[1].tolist() == [pieces.index(" va") + 4, END, NO_TARGET, NO_TARGET, NO_TARGET]
    columns = build_columns(prep, target, content().parts["all"])
    assert [tensor.shape for tensor in columns.inputs] == [(5, 3), (5,)]
    assert columns.inputs[1].tolist() == [2, 1, 3, 1, 1]
    assert columns.valid.all()


def test_longer_targets_are_cut_and_still_end() -> None:
    _, target = fitted(length=2)
    tokens = target.encode(content().parts["all"].frame)
    assert tokens.shape == (5, 3)
    assert tokens[2, 2] == END


def test_one_vocabulary_for_both_where_it_is_asked_for() -> None:
    apart, target = fitted()
    assert set(apart.tokenizer.pieces) != set(target.values["tokenizer"]["words"])
    both, shared = fitted({"shared": True})
    assert list(both.tokenizer.words) == shared.values["tokenizer"]["words"]
    assert {" go", " va"} <= set(both.tokenizer.words)
    with pytest.raises(RecipeError, match=r"task\.shared = 'yes' is neither true nor false\n.*task\.shared=true"):
        fitted({"shared": "yes"})


def test_it_is_kept_and_read_back(tmp_path: Any) -> None:
    prep, target = fitted()
    save_preparation(prep, target, tmp_path)
    again, same = load_preparation(tmp_path)
    frame = content().parts["all"].frame
    assert np.array_equal(again.encode(content().parts["all"])[0], prep.encode(content().parts["all"])[0])
    assert np.array_equal(same.encode(frame), target.encode(frame))


def test_no_source_stands_in_two_parts() -> None:
    frame = pl.DataFrame({"source": [f"s{row // 3}" for row in range(90)], "target": [f"t{row}" for row in range(90)]})
    whole = Content("pairs", "p", "p", "", {"all": Examples(frame)}, "f", target="target")
    parts = split(whole, Data(), task="translation", targets=("target",), seed=0)
    sources = [set(frame["source"].gather(part.index)) for part in parts.values()]
    assert len(parts) == 3
    assert not (sources[0] & sources[1] | sources[0] & sources[2] | sources[1] & sources[2])
    shuffled = split(whole, Data(split="random"), task="translation", targets=("target",), seed=0)
    assert set(frame["source"].gather(shuffled["train"].index)) & set(frame["source"].gather(shuffled["test"].index))


def test_the_shortest_are_chosen_before_anything_is_split(tmp_path: Any) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{'go on. ' * (1 + row % 4)}n{row}.\tva va {row}.\n" for row in range(40)), encoding="utf-8")
    dataset = assemble(Recipe().replace(data={"path": str(path), "shortest": 10}))
    assert len(dataset.content.examples) == 10
    assert max(len(source) for source in dataset.content.examples.frame["source"]) < 13
    assert dataset.inferred.task == "translation"
    table = tmp_path / "table.csv"
    table.write_text("a,b\n" + "1,2\n2,1\n" * 20)
    with pytest.raises(DataError, match=r"data\.shortest chooses among sentences, and this is of kind table\n.*--examples"):
        assemble(Recipe().replace(data={"path": str(table), "shortest": 10, "target": ("b",)}))
