"""What is exported to NumPy predicts as PyTorch does: every model, many other layers, and real short runs of every kind of data."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from models.tiny import TINY, one_of_each, tiny
from sonde import models, tasks
from sonde.cli.main import main
from sonde.data.prepare.dates import FORMATS, as_dates
from sonde.data.prepare.encoders import as_float64, as_text
from sonde.data.prepare.images import fit_square
from sonde.data.prepare.target import Target
from sonde.data.readers.values import typed
from sonde.errors import RunError, UsageError
from sonde.export import FORMATS as EXPORTS
from sonde.export import numpy as to_numpy
from sonde.export.check import compare
from sonde.export.graph import write_graph
from sonde.export.numpy_runtime import columns, dates, pictures
from sonde.export.numpy_runtime.graph import Graph, read_safetensors
from sonde.export.numpy_runtime.model import PREPROCESSING, Model, load
from sonde.export.numpy_runtime.problem import PredictError
from sonde.export.preprocessing import answer
from sonde.nn.normalise import normaliser
from sonde.nn.prepared import Prepared
from sonde.run import Run


def differences(model: nn.Module, inputs: tuple[Tensor, ...], more: tuple[Tensor, ...]) -> float:
    """The largest relative difference of the exported graph's outputs, on the inputs it was made with and on another batch size."""
    written = write_graph(model, inputs, names=tuple(f"in{place}" for place in range(len(inputs))))
    graph = Graph(json.loads(json.dumps(written.graph)), {name: weight.numpy() for name, weight in written.weights.items()})
    worst = 0.0
    model.eval()
    for given in (inputs, more):
        with torch.no_grad():
            ours = model(*given).numpy()
        (theirs,) = graph.run(*(each.numpy() for each in given))
        assert (theirs.shape, theirs.dtype) == (ours.shape, ours.dtype)
        worst = max(worst, float(np.abs(theirs - ours).max() / max(np.abs(ours).max(), 1e-30)))
    return worst


def reads_sentences(name: str) -> bool:
    """Whether a model of tokens maps a whole sentence to an answer; what foretells tokens one by one is exported otherwise (test_text.py)."""
    return "forward" in vars(type(models.build(name, tiny(name)))) and tiny(name)["outputs"] == TINY["outputs"]


EXPORTED = [name for name in one_of_each() if not models.sees_scenes(name) and (models.accepts(name) != "tokens" or reads_sentences(name))]


def raw_inputs(name: str, count: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(count)
    if models.accepts(name) == "images":
        size = tiny(name)["size"]
        return (torch.randint(0, 256, (count, 2, size, size), generator=generator, dtype=torch.uint8),)
    if models.accepts(name) == "tokens":
        return torch.randint(1, TINY["vocabulary"], (count, 6), generator=generator), torch.randint(2, 7, (count,), generator=generator)
    numbers = torch.randn(count, 4, generator=generator) * 3
    numbers[:2, 2] = torch.nan
    return numbers, torch.stack([torch.randint(size, (count,), generator=generator) for size in TINY["categories"]], dim=1)


@pytest.mark.parametrize("name", EXPORTED)
def test_every_model_with_its_normalisation(name: str) -> None:
    torch.manual_seed(0)
    if models.accepts(name) == "images":
        first = normaliser({"kind": "images", "mean": [0.5, 0.4], "std": [0.2, 0.3]})
    elif models.accepts(name) == "tokens":
        first = normaliser({"kind": "tokens"})
    else:
        table = {"kind": "table", "mean": [0.1, 0.0, 0.0, 1.0], "std": [1.0, 2.0, 1.0, 1.0], "log": [True] + 3 * [False], "indicators": [2], "clip": 4.0}
        first = normaliser(table)
    model = Prepared(first, models.build(name, tiny(name)))
    for weight in model.parameters():
        if not weight.any():
            nn.init.normal_(weight, std=0.3)
    model.train()
    model(*raw_inputs(name, 9))  # running statistics move
    assert differences(model, raw_inputs(name, 4), raw_inputs(name, 7)) < 1e-5


class Called(nn.Module):
    """`function(layer, x)` as a module."""

    def __init__(self, layer: nn.Module, function: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.function = layer, function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.layer, x)


def written_into(m: nn.Module, x: Tensor) -> Tensor:
    y = torch.empty_like(x)
    y[..., :2], y[..., 2:] = x[..., :1], 2 * x[..., 2:]
    y[:, 1] = x[:, 0]
    y[:, 2, ::2] = 1.0
    return y


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], Callable[[Any, Tensor], Tensor]]] = {
    "gru, deep, both ways": (lambda: nn.GRU(3, 5, 2, batch_first=True, bidirectional=True), (6, 3), lambda m, x: m(x)[0]),
    "lstm, deep": (lambda: nn.LSTM(3, 5, 2, batch_first=True), (6, 3), lambda m, x: m(x)[0]),
    "rnn": (lambda: nn.RNN(3, 5, batch_first=True), (6, 3), lambda m, x: m(x)[1][-1]),
    "multi-head attention": (lambda: nn.MultiheadAttention(8, 2, batch_first=True), (6, 8), lambda m, x: m(x, x, x)[0]),
    "transformer encoder": (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu"), (6, 8), lambda m, x: m(x)),
    "transformer decoder": (lambda: nn.TransformerDecoderLayer(8, 2, 16, batch_first=True), (6, 8), lambda m, x: m(x, x.flip(1))),
    "causal attention": (nn.Identity, (2, 6, 8), lambda m, x: F.scaled_dot_product_attention(x, x, x, is_causal=True)),
    "convolution 1-D": (lambda: nn.Conv1d(4, 6, 3, padding=2, dilation=2, groups=2), (4, 9), lambda m, x: m(x)),
    "convolution 2-D": (lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0)), (4, 8, 7), lambda m, x: m(x)),
    "convolution 3-D": (lambda: nn.Conv3d(2, 3, 2, stride=2), (2, 5, 6, 7), lambda m, x: m(x)),
    "transposed convolution": (
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        (4, 5, 6),
        lambda m, x: m(x),
    ),
    "transposed, much padding": (lambda: nn.ConvTranspose2d(2, 3, 2, padding=2), (2, 7, 6), lambda m, x: m(x)),
    "pooling": (
        lambda: nn.Sequential(nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(2, 1, 1, count_include_pad=False)),
        (2, 11, 12),
        lambda m, x: m(x),
    ),
    "mean pooling, ceil": (lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True), (2, 10, 11), lambda m, x: m(x)),
    "adaptive pooling": (lambda: nn.Sequential(nn.AdaptiveAvgPool2d((5, 3)), nn.AdaptiveMaxPool2d(2)), (2, 11, 12), lambda m, x: m(x)),
    "pooling 1-D": (lambda: nn.Sequential(nn.MaxPool1d(2), nn.AvgPool1d(2), nn.AdaptiveAvgPool1d(1)), (2, 11), lambda m, x: m(x)),
    "normalisation": (lambda: nn.Sequential(nn.LayerNorm(6), nn.BatchNorm1d(6), nn.GroupNorm(2, 6)), (6,), lambda m, x: m(x)),
    "activations": (
        lambda: nn.Sequential(nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.ELU(), nn.LeakyReLU(), nn.Softplus(), nn.Hardswish(), nn.Mish(), nn.PReLU()),
        (6,),
        lambda m, x: m(x),
    ),
    "softmax": (nn.Identity, (6,), lambda m, x: torch.cat([x.softmax(1), x.log_softmax(1), 50 * x.sigmoid(), (90 * x).tanh()], 1)),
    "masks": (nn.Identity, (6,), lambda m, x: x.masked_fill(x.isnan() | (x > 0), -3).clamp(-2, 1) + torch.tril(torch.ones(6, 6))[2]),
    "one-hot, pad, roll, flip": (
        nn.Identity,
        (6,),
        lambda m, x: F.one_hot(x.argmax(1), 6) + F.pad(x, (2, -1))[:, 1:] + x.roll(1, 1) + x.flip(1),
    ),
    "reductions": (
        nn.Identity,
        (4, 6),
        lambda m, x: torch.stack([x.sum(2), x.mean(2), x.amax(2), x.amin(2), x.std(2), x.var(2, correction=0), x.norm(dim=2), x.max(2)[0]], 1),
    ),
    "order": (nn.Identity, (6,), lambda m, x: torch.cat([x.topk(2)[0], x.sort(1, descending=True)[0], x.cumsum(1), x.argmin(1, keepdim=True)], 1)),
    "shapes": (nn.Identity, (4, 6), lambda m, x: x.transpose(1, 2).reshape(x.shape[0], 3, -1).repeat(1, 2, 1)[:, ::2].unsqueeze(1).squeeze(1).chunk(2, 1)[1]),
    "matrix products": (
        lambda: nn.Linear(6, 6),
        (5, 6),
        lambda m, x: torch.baddbmm(m(x), x, m.weight.expand(x.shape[0], 6, 6), beta=0.5, alpha=2) + torch.einsum("bki,bki->bk", x, x)[..., None],
    ),
    "upsampling": (lambda: nn.Sequential(nn.Upsample(scale_factor=2), nn.PixelShuffle(2)), (4, 5, 6), lambda m, x: m(x)),
    "bilinear": (
        lambda: nn.Upsample(scale_factor=2.5, mode="bilinear", align_corners=True),
        (2, 5, 6),
        lambda m, x: m(x)[..., :7, :9] + F.interpolate(x, size=(7, 9), mode="bilinear") + F.interpolate(x, scale_factor=1.5, mode="bilinear")[..., :7, :9],
    ),
    "transposed, wide kernel": (lambda: nn.ConvTranspose1d(4, 2, 7, stride=3, dilation=2, output_padding=2), (4, 5), lambda m, x: m(x)),
    "writes into slices": (nn.Identity, (4, 6), written_into),
    "arithmetic": (nn.Identity, (6,), lambda m, x: (1 - x) / (2 + x * x) + x.abs().sqrt() ** 1.5 - 2.0**x + (x / 0.3).floor() % 2 - x.exp().rsqrt()),
}


@pytest.mark.parametrize("name", LAYERS)
def test_other_layers(name: str) -> None:
    torch.manual_seed(1)
    layer, shape, function = LAYERS[name]
    model = Called(layer(), function)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean = torch.randn(6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert differences(model, (torch.randn(4, *shape),), (torch.randn(7, *shape),)) < 1e-5


def test_float64_and_embeddings() -> None:
    assert differences(nn.Sequential(nn.Linear(3, 4), nn.Sigmoid()).double(), (torch.randn(4, 3).double(),), (torch.randn(1, 3).double(),)) < 1e-14
    words = Called(nn.Embedding(9, 3), lambda m, x: m(x).mean(1))
    assert differences(words, (torch.randint(9, (4, 5)),), (torch.randint(9, (2, 5)),)) < 1e-6


def test_an_unknown_operation_is_refused_by_name() -> None:
    with pytest.raises(RunError, match=r"runs/a: the model computes erfinv\.default, which the NumPy side does not know\n.*sonde predict"):
        write_graph(Called(nn.Identity(), lambda m, x: x.erfinv()), (torch.rand(4, 3),), names=("x",), where="runs/a")


def test_a_model_that_branches_on_values_is_refused() -> None:
    branches = Called(nn.Identity(), lambda m, x: x if x.sum() > 0 else -x)
    with pytest.raises(RunError, match=r"PyTorch cannot export this model: .*\n.*without branches"):
        write_graph(branches, (torch.rand(4, 3),), names=("x",))


def test_weights_are_read_as_safetensors_writes_them(tmp_path: Path) -> None:
    import safetensors.torch

    given = {"a": torch.randn(2, 3), "b": torch.tensor(3), "c": torch.tensor([True, False]), "d": torch.zeros(0, 2), "e": torch.randn(2).double()}
    safetensors.torch.save_file(given, tmp_path / "w.safetensors")
    found = read_safetensors(tmp_path / "w.safetensors")
    assert set(found) == set(given)
    assert all(np.array_equal(found[name], given[name].numpy()) and found[name].shape == given[name].shape for name in given)
    (tmp_path / "w.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:-5])
    with pytest.raises(PredictError, match="the weights are missing or damaged"):
        read_safetensors(tmp_path / "w.safetensors")


# --- the readers of columns, against the run's own ---------------------------------------------------------------

WRITTEN = [
    ["1", "2", "", "3"], ["1", "2.5", "NA", "1e-5"], ["1", "x", "?", " y "], ["+5", "-7", "007", ""], ["99999999999999999999", "1"],
    ["1e5", "inf", "-.5", "5."], ["1_000", "2"], ["nan", "1"], ["", "NA"], ["1,5", "2"], ["0x10", "1"], ["a\u00a0", "\u2003b"], ["٣", "1"],
]  # fmt: skip


@pytest.mark.parametrize("written", WRITTEN, ids=str)
@pytest.mark.parametrize("comma", [False, True])
def test_columns_are_typed_alike(written: list[str], comma: bool) -> None:
    ours = typed(pl.Series("x", written, dtype=pl.String), decimal_comma=comma)
    theirs = columns._typed(written, decimal_comma=comma)
    assert {"whole": pl.Int64, "fraction": pl.Float64, "text": pl.String}[theirs.kind] == ours.dtype
    np.testing.assert_array_equal(columns.as_float64(theirs), as_float64(ours))
    assert columns.as_text(theirs) == as_text(ours).to_list()


def test_numbers_that_name_categories_are_written_alike() -> None:
    values = [1e-7, 1e16, 1.5e16, 123456789012345680.0, 1e-5, 1.25e-5, 0.0001, 1e22, -2.5e-10, 0.1, 1.0, -0.0, 3e18, 1e19, None]
    assert columns.as_text(columns.Column("fraction", values)) == as_text(pl.Series(values)).to_list()
    single = np.array([0.1, 1.5e-5, 2.0], dtype=np.float32)
    assert columns.as_text(columns._from_array(single[:, None]).columns["x0"]) == as_text(pl.Series(single)).to_list()


DATES = [
    "2024-1-5", "2024-01-05", "24-01-05", "02024-01-05", "+2024-01-05", "2024-01-05 ", "2024- 1-05", "2024-13-01", "2024-02-30", "2024-01-5x",
    "2024-01-05 1:2:3", "2024-01-05 01:02:60", "2024-01-05  01:02:03", "2024-01-05 24:00:00", "2024-01-05 01:02:03.5", "2024-01-05 01:02:03.",
    "2024-01-05 01:02:03.1234567891", "2024-01-05T01:02:03Z", "5-Jan-2024", "05-JAN-2024", "5-January-2024", "5 january 2024", "5  May 2024",
    "Jan 5,2024", "January 5, 2024", "20240105", "2024015", "202401055", "202415", "5/1/2024", "31/12/2024 23:59", "12/31/2024 23:59:59", "1.2.2024",
    "2024/01/05", "2024.01.05", "", "soon",
]  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_dates_are_read_alike(form: str) -> None:
    assert dates.FORMATS == FORMATS
    ours = as_dates(pl.Series(DATES), form)
    assert ours is not None
    assert [dates.parse(text.strip(), form) for text in DATES] == ours.to_list()


def test_pictures_become_grey_and_square_alike() -> None:
    draw = np.random.default_rng(0)
    for shape, channels in [((9, 9, 3), 1), ((9, 9, 1), 3), ((31, 50, 3), 3), ((31, 50, 3), 1), ((5, 4, 1), 1)]:
        picture = draw.integers(0, 256, shape, dtype=np.uint8)
        np.testing.assert_array_equal(pictures.fit_square(picture, 9, channels, "a"), fit_square(picture, 9, channels))


# --- real, short runs --------------------------------------------------------------------------------------------


def houses(path: Path, *, rows: int, seed: int) -> Path:
    """A table with numbers, categories, a category written as fractions, texts, dates, and missing values."""
    draw = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["key", "age", "size", "kind", "code", "note", "when", "big", "price", "sold"])
        for row in range(rows):
            age, size, kind = draw.randint(18, 80), draw.lognormvariate(3, 1), draw.choice(["a", "b", " c d"])
            note = " ".join(draw.choice(["Red", "blue", "Grün", "don't", "x2", "well-made", "the, end"]) for _ in range(draw.randint(3, 8)))
            when = datetime.date(2019, 1, 1) + datetime.timedelta(days=draw.randint(0, 1500))
            cells: list[Any] = [age, f"{size:.3f}", kind, draw.choice([1, 2.0, 3.5, 1e-5]), f"{note} {row}", when.isoformat(), 1e9 + draw.random()]
            cells = [cell if place == 3 or draw.random() > 0.1 else draw.choice(["", "NA"]) for place, cell in enumerate(cells)]
            table.writerow([f"p{row}", *cells, f"{100 + 3 * age + size:.2f}", "yes" if age > 50 else "no"])
    return path


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data of every kind, a short run on each, and their exports, made by the commands."""
    place = tmp_path_factory.mktemp("export")
    houses(place / "houses.csv", rows=240, seed=0)
    houses(place / "new.csv", rows=40, seed=1)
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (place / "pets" / name).mkdir(parents=True)
        for number in range(12):
            pixels = draw.integers(0, 200, (70, 50 + number, 3), dtype=np.uint8) + np.uint8(50 * (name == "cat"))
            exif = Image.Exif()
            exif[0x0112] = 6 if number % 3 == 0 else 1
            Image.fromarray(pixels).save(place / "pets" / name / f"{number}.{'jpg' if number % 2 else 'png'}", exif=exif)
    np.savez(place / "stripes.npz", x=draw.integers(0, 256, (60, 14, 14), dtype=np.uint8), y=draw.integers(0, 3, 60))
    with (place / "days.csv").open("w") as file:
        file.write("day,visits\n")
        for number in range(120):
            file.write(f"{datetime.date(2024, 1, 1) + datetime.timedelta(days=number)},{100 + 10 * (number % 7) + float(draw.normal()):.3f}\n")
    runs = {
        "houses": ["houses.csv", "--target", "price", "--drop", "sold", "--id", "key", "--set", 'data.types.code="category"'],
        "sold": ["houses.csv", "--target", "sold", "--drop", "price", "--id", "key", "--features", "age,kind,note,when"],
        "pets": ["pets", "--size", "24", "--model", "lenet"],
        "stripes": ["stripes.npz", "--model", "lenet"],
        "days": ["days.csv", "--target", "visits", "--set", "task.horizon=3"],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for name, words in runs.items():
            assert main(["train", *words, "--epochs", "2", "--batch-size", "16", "--no-compile", "--quiet", "--out", f"runs/{name}"]) == 0
            assert main(["export", f"runs/{name}", "--to", "numpy", "--out", f"exported/{name}"]) == 0
    return place


SOURCES = {"houses": "new.csv", "sold": "new.csv", "pets": "pets", "stripes": "stripes.npz", "days": "days.csv"}
ALONE = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "polars", "sonde", "sklearn", "safetensors", "pydantic"} | BLOCKED:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
import runpy
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def alone(folder: Path, *words: str, cwd: Path, without: str = "set()") -> subprocess.CompletedProcess[str]:
    """predict.py in an interpreter that has neither PyTorch nor Polars nor Sonde."""
    script = ALONE.replace("BLOCKED", without)
    command = [sys.executable, "-I", "-c", script, str(folder / "predict.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)


@pytest.mark.parametrize("name", SOURCES)
def test_predicts_alone_as_the_run_does(name: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    done = alone(Path("exported") / name, SOURCES[name], cwd=here)
    assert done.returncode == 0, done.stderr
    theirs = list(csv.reader(io.StringIO(done.stdout)))
    ours = Run.load(f"runs/{name}").predict(SOURCES[name])
    assert theirs[0] == ours.columns
    assert [row[0] for row in theirs[1:]] == ours["name"].to_list()
    for place, column in enumerate(ours.columns[1:], start=1):
        if ours[column].dtype.is_numeric():
            found, wanted = np.array([float(row[place]) for row in theirs[1:]]), ours[column].to_numpy()
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())
        else:
            assert [row[place] for row in theirs[1:]] == ours[column].to_list()


def test_arrays_of_the_working_size_need_no_pillow(here: Path) -> None:
    done = alone(here / "exported" / "stripes", "stripes.npz", cwd=here, without='{"PIL"}')
    assert done.returncode == 0, done.stderr
    assert done.stdout == alone(here / "exported" / "stripes", "stripes.npz", cwd=here).stdout
    refused = alone(here / "exported" / "pets", "pets", cwd=here, without='{"PIL"}')
    assert refused.returncode == 2
    assert "picture files are read by Pillow, which is not installed" in refused.stderr


def test_predict_writes_a_file_and_tells_files_apart(here: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    done = alone(here / "exported" / "houses", "new.csv", "houses.csv", "--out", str(out), cwd=here)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    rows = pl.read_csv(out)
    assert rows.columns == ["file", "name", "prediction"]
    assert rows["file"].value_counts(sort=True)["count"].to_list() == [240, 40]
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]


def test_the_model_takes_rows_and_arrays(here: Path) -> None:
    frame = Run.load(here / "runs" / "houses")
    model = load(here / "exported" / "houses")
    rows = pl.read_csv(here / "new.csv", null_values=["", "NA"]).to_dicts()
    wanted = frame.predict(pl.DataFrame(rows))["prediction"].to_numpy()
    np.testing.assert_allclose(model.predict(rows)["prediction"], wanted, rtol=1e-5)
    as_columns = {name: [row[name] for row in rows] for name in rows[0]}
    np.testing.assert_allclose(model.predict(as_columns)["prediction"], wanted, rtol=1e-5)
    stripes = load(here / "exported" / "stripes")
    array = np.load(here / "stripes.npz")["x"]
    assert stripes.predict(array)["prediction"] == Run.load(here / "runs" / "stripes").predict(array)["prediction"].to_list()
    assert stripes.predict(array[:0])["name"] == []
    series = np.array([100.0 + 10 * (day % 7) for day in range(20)])
    days = load(here / "exported" / "days").predict(series)
    assert days["name"] == [str(row) for row in range(9, 23)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"the file is empty"),
        ("key,age\n1,2\n", r"there is no column 'size', which the model learned from"),
        ("age,size,kind,code,note,when,big\nold,1,a,1,x,2024-01-01,1\n3,1,a,1,x,soon,1\n", r"line 2, column 'age': 'old' is not a number"),
        ("age,size,kind,code,note,when,big\n3,1,a,1,x,soon,1\n", r"line 2, column 'when': 'soon' is no date"),
        ("age,size,kind,code,note,when,big\n3,1e99,a,1,x,2024-01-01,1\n", r"line 2, column 'size': 1e\+99 is infinite, or beyond"),
        ("age,size,kind,code,note,when,big\n3,1,a,1,x,2024-01-01\n", r"line 2: the row has 6 fields, where there are 7 columns"),
        ('age,size,kind,code,note,when,big\n3,1,"a,1,x,2024-01-01,1\n', r"line 2: the row cannot be read"),
    ],
)
def test_bad_rows_are_named(text: str, said: str, here: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(PredictError, match=said):
        load(here / "exported" / "houses").predict(tmp_path / "bad.csv")


def test_files_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,x\n2,y\n")
    assert columns.read_table(path, needed=["column2"]).columns["column2"].values == ["x", "y"]
    assert columns.read_table(path, needed=["age"], published=["age", "job"]).columns["age"].values == [1, 2]
    path.write_text("Houses sold\nage;job\n1,5;x\n\n2;\n")
    titled = columns.read_table(path, needed=["age"], published=["age", "job"])
    assert (titled.columns["age"].values, titled.columns["job"].values, titled.lines) == ([1.5, 2.0], ["x", None], [3, 5])


def test_bad_pictures_are_named(here: Path, tmp_path: Path) -> None:
    model = load(here / "exported" / "pets")
    (tmp_path / "a.jpg").write_text("no picture")
    with pytest.raises(PredictError, match=r"a\.jpg: the picture cannot be read"):
        model.predict(tmp_path / "a.jpg")
    with pytest.raises(PredictError, match="pictures have values from -1 to 1"):
        model.predict(np.full((2, 24, 24), -1.0) * np.array([1, -1])[:, None, None])
    with pytest.raises(PredictError, match=r"an array of shape \(2, 3\) and type float64 holds no pictures"):
        model.predict(np.zeros((2, 3)))


def test_an_unknown_kind_of_preprocessing_is_refused(here: Path) -> None:
    model = load(here / "exported" / "days")
    assert set(PREPROCESSING) == {"table", "images", "scenes", "series", "text", "tagged", "bert"}
    with pytest.raises(PredictError, match="no preprocessing of kind 'characters' here: known are table, images, scenes, series"):
        Model(model.graph, {**model.preprocessing, "kind": "characters"})


CLASSES = {"kind": "classes", "columns": ["y"], "classes": ["a", "b", "c"], "counts": [1, 2, 3]}
NUMBERS = {"kind": "numbers", "columns": ["p", "q"], "transform": "log", "mean": [1.0, 2.0], "std": [0.5, 0.25], "minimum": [1.0, 2.0]}
ANSWERS: dict[str, tuple[str, dict[str, Any], dict[str, Any], int]] = {
    "classes": ("classification", {}, CLASSES, 3),
    "squared": ("classification", {"loss": "squared"}, CLASSES, 3),
    "two classes, one output": ("classification", {}, CLASSES | {"classes": ["no", "yes"]}, 1),
    "many classes": ("classification", {}, CLASSES | {"classes": [f"c{place}" for place in range(120)]}, 120),
    "labels": ("multi-label-classification", {}, {"kind": "labels", "columns": ["rain", "snow"]}, 2),
    "several numbers": ("regression", {}, NUMBERS, 2),
    "several steps": ("forecasting", {"horizon": 3}, NUMBERS | {"columns": ["p"], "mean": [1.0], "std": [0.5], "horizon": 3}, 3),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_are_the_tasks_own(name: str, tmp_path: Path) -> None:
    task_name, options, values, width = ANSWERS[name]
    task = tasks.build(task_name, options, values)
    model = to_numpy.Predicting(nn.Linear(4, width), task).eval()
    inputs = (4 * torch.randn(9, 4, generator=torch.Generator().manual_seed(0)),)
    described = {"format": 1, "kind": "series", "answer": answer(task, Target(values).outputs, where="a run")}
    to_numpy.write(model, inputs, described, tmp_path)
    exported = load(tmp_path)
    assert compare(exported, model, inputs) < 1e-5
    found = exported.answer(exported.outputs(*(each.numpy() for each in inputs)))
    with torch.no_grad():
        wanted = task.table(model(*inputs))
    assert list(found) == list(wanted)
    for column in wanted:
        if wanted[column].dtype == object:
            assert found[column] == list(wanted[column])
        else:
            np.testing.assert_allclose(found[column], wanted[column], rtol=1e-5, atol=1e-7)


def test_document(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    for _ in range(2):  # an earlier export is replaced
        assert main(["export", "runs/days", "--to", "numpy", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
    assert (found["folder"], found["format"], found["examples"]) == ("runs/days/export/numpy", "numpy", "examples of the training part")
    assert found["difference"] < 1e-5
    assert {file.name for file in Path(found["folder"]).iterdir()} == {"graph.json", "weights.safetensors", "preprocessing.json", "predict.py", "numpy_runtime"}


def test_wrong_formats_and_folders_are_refused(here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    assert set(EXPORTS) == {"numpy", "hub"}
    assert main(["export", "runs/days", "--to", "nunpy"]) == 2
    assert "there is no format 'nunpy'\n  → did you mean 'numpy'?" in capsys.readouterr().err
    assert main(["export", "runs/days", "--to", "numpy", "--out", "pets"]) == 2
    assert "pets: this exists, and is no earlier export" in capsys.readouterr().err
    assert main(["export", "runs/none", "--to", "numpy"]) == 2
    with pytest.raises(UsageError, match="this exists"):
        to_numpy.export(Run.load("runs/days"), Path("days.csv"))


def test_a_wrong_result_is_not_written(here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from sonde.export.numpy_runtime import operations

    monkeypatch.setitem(operations.OPERATIONS, "relu.default", lambda x: x)
    with pytest.raises(RunError, match=r"the exported model's outputs differ from the run's by .*, more than 1e-05"):
        to_numpy.export(Run.load(here / "runs" / "houses"), tmp_path / "wrong")
    assert not list(tmp_path.iterdir())


def test_other_preprocessing_is_not_written(here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from sonde.export.numpy_runtime import tables

    monkeypatch.setitem(tables.ENCODERS, "category", lambda column, fitted: (np.empty((len(column.values), 0)), np.zeros((len(column.values), 1), int)))
    with pytest.raises(RunError, match="the exported preprocessing makes other inputs of training examples than the run does"):
        to_numpy.export(Run.load(here / "runs" / "houses"), tmp_path / "wrong")
    assert not list(tmp_path.iterdir())


def test_drawn_inputs_where_the_data_have_gone(here: Path, tmp_path: Path) -> None:
    import shutil

    moved = tmp_path / "run"
    shutil.copytree(here / "runs" / "houses", moved)
    text = (moved / "recipe.toml").read_text()
    (moved / "recipe.toml").write_text(text.replace("houses.csv", "gone.csv"))
    done = to_numpy.export(Run.load(moved), tmp_path / "out")
    assert (done.checked, done.examples) == (64, "drawn inputs, as the run's data are not at hand")
    assert done.difference < 1e-5


def test_folds_give_the_mean_of_their_outputs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here)
    words = ["houses.csv", "--target", "sold", "--features", "age,kind", "--id", "key", "--folds", "2", "--epochs", "1"]
    assert main(["train", *words, "--no-compile", "--quiet", "--out", "runs/folds"]) == 0
    run = Run.load("runs/folds")
    done = to_numpy.export(run, Path("exported/folds"))
    assert done.checked == 2 * 64
    theirs, ours = list(csv.DictReader(io.StringIO(alone(Path("exported/folds"), "new.csv", cwd=here).stdout))), run.predict("new.csv")
    assert [row["name"] for row in theirs] == ours["name"].to_list()
    assert [row["prediction"] for row in theirs] == ours["prediction"].to_list()
    np.testing.assert_allclose([float(row["probability:yes"]) for row in theirs], ours["probability:yes"], rtol=1e-5)
    each = [fold.predict("new.csv")["probability:yes"].to_numpy() for fold in run.folds]
    assert np.abs(each[0] - each[1]).max() > 1e-3
    assert to_numpy.export(run, Path("exported/folds")).difference < 1e-5  # an earlier export is replaced


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_is_read_with_numpy_alone(ending: str, here: Path) -> None:
    (here / "idx").mkdir(exist_ok=True)
    path = here / "idx" / f"some-images-idx3-ubyte{ending}"
    pixels = np.random.default_rng(1).integers(0, 256, (7, 14, 14), dtype=np.uint8)
    body = bytes([0, 0, 8, 3]) + b"".join(int(size).to_bytes(4, "big") for size in pixels.shape) + pixels.tobytes()
    path.write_bytes(gzip.compress(body) if ending else body)
    exported = load(here / "exported" / "stripes")
    found = exported.predict(path)
    assert found["name"] == [f"idx[{place}]" for place in range(7)]
    assert found["prediction"] == exported.predict(pixels)["prediction"]
    if not ending:
        assert found["name"] == Run.load(here / "runs" / "stripes").predict(str(path))["name"].to_list()
    path.write_bytes(body[:-5])
    with pytest.raises(PredictError, match=r"the body has 1,367 bytes, where its header \(7 × 14 × 14\) asks for 1,372"):
        exported.predict(path)
    path.write_bytes(bytes([0, 0, 8, 1]) + body[4:])
    with pytest.raises(PredictError, match="these are no pictures: the file begins with 00 00 08 01"):
        exported.predict(path)
    path.unlink()


def test_parquet_is_refused_with_the_way_out(here: Path) -> None:
    pl.read_csv(here / "new.csv").write_parquet(here / "new.parquet")
    refused = alone(here / "exported" / "houses", "new.parquet", cwd=here)
    assert refused.returncode == 2
    assert "new.parquet: .parquet files are not read with NumPy alone" in refused.stderr
    assert "pl.read_parquet('new.parquet').write_csv('new.csv'); or use `sonde predict`" in refused.stderr
