"""Chinese: a piece a character, full-width forms, mixed text; there and back, and through a whole run to the hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sonde import fit
from sonde.cli.main import main
from sonde.data.prepare.tokenizers.bert import SPECIALS, BertPieces, of_folder
from sonde.data.prepare.tokenizers.bert import fit as fit_pieces
from sonde.errors import RunError
from sonde.export.hub import export
from sonde.nn.int8 import is_available
from sonde.recipe import Recipe
from sonde.run import Run

GOOD = ("这部电影很好看", "我非常喜欢这本书", "今天天气很好", "服务很好,下次再来", "音乐真好听")
BAD = ("这部电影不好看", "我讨厌这本书", "今天天气很差", "服务太差,不会再来", "音乐难听")
# Full-width letters, digits and marks; Latin words inside of Chinese; traditional characters; one outside of the basic plane.
MIXED = ("ＡＢＣ１２３", "我用python写代码", "價格是100元!", "他说:「你好。」", "𠀀字")
SMALL = {"width": 16, "layers": 2, "heads": 2, "hidden": 32, "length": 32}


def pieces() -> BertPieces:
    return fit_pieces([*GOOD, *BAD, *MIXED], floor=1)


def test_a_piece_a_character() -> None:
    known = pieces()
    flat, lengths = known.encode(["电影很好", "我用python写代码"])
    assert [known.vocabulary[number] for number in flat[:4]] == list("电影很好")
    assert lengths[0] == 4
    ((_, places),) = known.located(["我用python写代码"])
    assert places[:2].tolist() == [[0, 1], [1, 2]]
    assert places[-3:].tolist() == [[8, 9], [9, 10], [10, 11]]


def test_there_and_back() -> None:
    known = pieces()
    for text in (*GOOD, *BAD, *MIXED):
        flat, _ = known.encode([text])
        assert known.unknown not in flat.tolist()
        assert known.decode(flat.tolist()).replace(" ", "") == text.lower().replace(" ", "")
    flat, _ = known.encode([*GOOD])
    assert known.decode(flat[:7].tolist()) == GOOD[0]


def test_full_width_forms_are_letters_of_their_own() -> None:
    """As in the published code, which lowers them and does not narrow them."""
    known = pieces()
    assert known.decode(known.encode(["ＡＢＣ１２３"])[0].tolist()) == "ａｂｃ１２３"
    assert known.encode(["abc"])[0].tolist() != known.encode(["ＡＢＣ"])[0].tolist()
    ideographic = known.encode(["电影\u3000很好"])[0]  # the blank of full width
    assert ideographic.tolist() == known.encode(["电影 很好"])[0].tolist()


def test_equal_to_transformers() -> None:
    library = pytest.importorskip("transformers")
    known = pieces()
    theirs = library.BertTokenizerFast(vocab=dict(known.numbers))
    lines = [*GOOD, *BAD, *MIXED, "电影\u3000很好", "价格１００元（含税）", "の映画", "한국어 영화"]
    right = theirs(lines, add_special_tokens=False, return_offsets_mapping=True)
    for (found, places), ids, offsets in zip(known.located(lines), right["input_ids"], right["offset_mapping"], strict=True):
        assert found.tolist() == ids
        assert places.tolist() == [list(offset) for offset in offsets]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("chinese")
    rows = [(text, label) for label, texts in (("好", GOOD), ("坏", BAD)) for text in texts for _ in range(4)]
    path = folder / "评论.tsv"
    path.write_text("text\tlabel\n" + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    recipe = Recipe().replace(
        data={"path": str(path), "text": "text", "target": ("label",), "floor": 1, "validation": 0.2, "test": 0.2},
        model={"name": "bert-tiny", "config": SMALL | {"dropout": 0.0, "attention_dropout": 0.0}},
        optim={"name": "adamw", "lr": 0.01},
        training={"epochs": 12, "batch_size": 8, "compile": False, "device": "cpu"},
    )
    return fit.train(recipe, out=folder / "run", pages=False)


def test_a_run_learns_predicts_and_goes_to_the_hub(run: Run, tmp_path: Path) -> None:
    assert run.metrics["accuracy"] >= 0.9
    new = tmp_path / "new.tsv"
    new.write_text("text\n" + "\n".join([*GOOD, *BAD]) + "\n", encoding="utf-8")
    assert run.predict(str(new))["prediction"].to_list() == ["好"] * 5 + ["坏"] * 5
    export(run, tmp_path / "hub")
    assert of_folder(tmp_path / "hub") == run.preparation.tokenizer
    assert json.loads((tmp_path / "hub" / "config.json").read_text(encoding="utf-8"))["id2label"] == {"0": "坏", "1": "好"}
    library = pytest.importorskip("transformers")
    model = library.AutoModelForSequenceClassification.from_pretrained(str(tmp_path / "hub")).eval()
    read = library.AutoTokenizer.from_pretrained(str(tmp_path / "hub"))([*GOOD, *BAD], padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**read).logits
        torch.testing.assert_close(run.model.network(read["input_ids"], read["attention_mask"].sum(1)), logits, rtol=0, atol=1e-5)
    assert [model.config.id2label[int(number)] for number in logits.argmax(1)] == ["好"] * 5 + ["坏"] * 5


@pytest.mark.skipif(not is_available(), reason="this PyTorch has no int8 kernels")
def test_whole_numbers_of_8_bits(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside float32: measures and the largest difference; predictions and vectors by the same flag."""
    assert main(["evaluate", str(run.path), "--part", "validation", "--int8", "--at-least", "accuracy=0.9", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["float32"].keys() == found["int8"].keys()
    assert found["float32"]["loss"] == pytest.approx(run.metrics_file["validation"]["loss"], rel=1e-4)
    assert 0 < found["difference"] < 0.1
    assert main(["evaluate", str(run.path), "--part", "validation", "--int8"]) == 0
    assert "outputs differ by" in capsys.readouterr().out
    new = tmp_path / "new.tsv"
    new.write_text("text\n" + "\n".join([*GOOD, *BAD]) + "\n", encoding="utf-8")
    said = []
    for flags in (["--json"], ["--int8", "--json"]):
        assert main(["predict", str(run.path), str(new), *flags]) == 0
        said.append(json.loads(capsys.readouterr().out)["predictions"])
    exact, rounded = said
    assert [row["prediction"] for row in exact] == [row["prediction"] for row in rounded]
    assert exact != rounded
    assert main(["predict", str(run.path), str(new), "--int8", "--embed", "mean", "--out", str(tmp_path / "v.npy")]) == 0


def test_int8_is_for_the_bert_family_on_cpus(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sonde.run.is_available", lambda: False)
    with pytest.raises(RunError, match=r"there is no int8 on this build of PyTorch\n.*leave --int8 out"):
        Run.load(run.path).to_int8()
    plain = run.recipe.replace(model={"name": "embedding-bag", "config": {}}, data={"tokenizer": None}, training={"epochs": 1})
    with pytest.raises(RunError, match="only models of the BERT family are computed in int8, and this is embedding-bag"):
        fit.train(plain, out=tmp_path / "bag", pages=False).to_int8()


def test_the_vocabulary_s_specials_come_first() -> None:
    assert pieces().vocabulary[:5] == SPECIALS
