"""`sonde cost`, `sonde systolic` and `sonde bench`: what they print, what --json holds, and mistakes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

from sonde.cli.main import main
from sonde.cost import machine as machines
from sonde.cost.probes import Pair

MACHINE = ["--peak", "1e11", "--bandwidth", "2e10"]
PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def documented(command: str) -> set[str]:
    """The keys that the page names after `--json` of a command."""
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    (found,) = [part for part in section if part.startswith(f"sonde {command}")]
    return set(re.findall(r"`(\w+)`", found[found.index("`--json`:") :]))


def test_keys_are_those_that_the_page_names(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = document(capsys, "cost", "mlp", "--examples", "10", "--measure", "--out", str(tmp_path / "cost.html"), "--batch", "2", *MACHINE)
    inner = {key for table in found.values() if isinstance(table, dict) for key in table} - {"numbers", "outputs"}
    inner |= {key for layer in found["layers"] for key in layer}
    assert {"parameters", "multiply_adds"} <= set(found)
    assert set(found) | inner | {"predicted"} == documented("cost")
    assert found["multiply_adds"] == 203_264
    assert found["parameters"] == 203_530
    assert found["measured"]["step_seconds"] > 0
    assert "<svg" in (tmp_path / "cost.html").read_text(encoding="utf-8")


def test_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "lenet", "--batch", "4", "--optimizer", "adam", "--examples", "1000000", *MACHINE]) == 0
    out = capsys.readouterr().out
    assert "parameters       61,706" in out
    assert "416,520 forward" in out
    assert "a multiply-add counts as one" in out
    assert re.search(r"fc1 +Linear +4×120 +48,120 +192,000", out)
    assert "adam 494 kB" in out


def test_hours_at_a_given_speed(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten layers 100 → 100, 5 × 5, on 64 × 64, a million images: C12's numbers by the command."""
    (tmp_path / "ten_layers.py").write_text(
        "from torch import nn\n\n\ndef ten():\n    return nn.Sequential(*[nn.Conv2d(100, 100, 5, padding=2) for _ in range(10)])\n"
    )
    monkeypatch.chdir(tmp_path)
    words = ["cost", "ten_layers:ten", "--input", "100x64x64", "--batch", "1", "--examples", "1000000", "--peak"]
    assert document(capsys, *words, "0.15e12")["examples"]["forward_seconds"] / 3600 == pytest.approx(18.96, abs=0.005)
    assert document(capsys, *words, "12e12")["examples"]["forward_seconds"] / 60 == pytest.approx(14.2, abs=0.05)
    assert main([*words, "0.15e12"]) == 0
    assert "forward 18 h 57 min (18.96 h)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["resnet81"], "did you mean 'resnet18'?"),
        (["lenet", "--peak", "0"], "--peak is 0.0\n  → give a finite number above 0, such as --peak 1e12"),
        (["lenet", "--peak", "-1e12"], "--peak is -1000000000000.0\n  → give a finite number above 0"),
        (["lenet", "--peak", "inf"], "sonde cost: --peak is inf\n  → give a finite number above 0"),
        (["lenet", "--peak", "nan"], "--peak is nan"),
        (["lenet", "--peak", "1e12", "--bandwidth", "inf"], "--bandwidth is inf\n  → give a finite number above 0, such as --bandwidth 1e12"),
        (["lenet", "--peak", "1e12", "--examples", "-5"], "sonde cost: --examples is -5\n  → give at least 1"),
        (["lenet", "--peak", "1e12", "--examples", "0"], "--examples is 0"),
        (["lenet", "--peak", "1e12", "--depth", "0"], "sonde cost: --depth is 0\n  → give at least 1, for the outermost modules"),
        (["lenet", "--peak", "1e12", "--depth", "-2"], "--depth is -2"),
        (["lenet", "--optimizer", "adamm"], "did you mean 'adam"),
        (["nowhere.at:all", "--input", "3x8x8"], "there is no module 'nowhere'"),
        (["lenet", "--input", "1x4x4"], "12×12"),
    ],
)
def test_mistakes(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", *words]) == 2
    assert said in capsys.readouterr().err


SILENT = """
from torch import nn


class Silent(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 2)

    def forward(self, x):
        self.layer(x)
"""


NO_TIME, NO_STEP = "forward –, training step –\n", r"training step –, forward [\d.]+ ms\n"


@pytest.mark.parametrize(
    ("words", "floor", "measured"),
    [
        (["torch.nn:Identity"], NO_TIME, NO_STEP),
        (["torch.nn:Flatten"], NO_TIME, NO_STEP),
        (["torch.nn:ReLU"], NO_TIME, NO_STEP),  # nothing is multiplied, and memory is without limit
        (["torch.nn:ReLU", "--bandwidth", "1e10"], r"forward 0\.000205 ms, training step 0\.000205 ms \(.* examples/s\)\n", NO_STEP),
        (["silent_sample:Silent"], r"forward 5.12e-07 ms, training step 5.12e-07 ms \(.* examples/s\)\n", NO_STEP),
        (["torch.nn:BatchNorm1d", "--set", "num_features=8"], NO_TIME, r"training step [\d.]+ ms, forward [\d.]+ ms: 0% of"),
    ],
)
def test_where_nothing_is_computed_there_is_no_time(
    words: list[str], floor: str, measured: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "silent_sample.py").write_text(SILENT)
    monkeypatch.chdir(tmp_path)
    words = ["cost", *words, "--input", "8", "--peak", "1e12"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert re.search(f"\nat least         {floor}", out), out
    assert main([*words, "--measure", "--examples", "3", "--out", "cost.html"]) == 0
    out = capsys.readouterr().out
    assert re.search(f"\nmeasured         {measured}", out), out
    assert re.search(r"\n3 examples  forward (–|[\d.e-]+ ms), training (–|[\d.e-]+ ms), at least\n", out), out
    assert "What" in (tmp_path / "cost.html").read_text(encoding="utf-8")
    found = document(capsys, *words, "--measure")
    assert found["measured"]["forward_seconds"] > 0
    assert (found["measured"]["step_seconds"] == 0) == (measured == NO_STEP)


@pytest.mark.parametrize(("threads", "said"), [(1, "a processor, 1 thread"), (2, "a processor, 2 threads")])
def test_one_thread_is_one(threads: int, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = machines.Machine("a processor", "cpu", threads, "2.13", "2026-01-01", 1e11, 2e10, (), Pair(1.0, 10.0), Pair(1.0, 100.0))
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path))
    monkeypatch.setattr(machines, "measure", lambda device: known)
    monkeypatch.setattr("sonde.cli.cost._predicted", lambda bill: {"step_seconds": 0.001})  # not what this is about, and a minute
    assert main(["cost", "lenet", "--out", str(tmp_path / "cost.html")]) == 0
    assert f"\nmachine          {said}: 100.0 billion" in capsys.readouterr().out
    assert f"The roof is that of {said}." in (tmp_path / "cost.html").read_text(encoding="utf-8")


def test_the_courses_numbers_of_alexnet_and_googlenet(capsys: pytest.CaptureFixture[str]) -> None:
    """C4: the course's single tower and torchvision's form. C7: the first block of GoogLeNet, biases aside."""
    course = document(capsys, "cost", "alexnet-course", "--batch", "1", *MACHINE)
    assert (course["parameters"], course["multiply_adds"]) == (46_787_978, 1_005_890_688)
    assert (course["inputs"], course["sizes"]) == (["3×224×224"], {"channels": 3, "size": 224, "classes": 10})
    assert document(capsys, "cost", "alexnet", "--set", "model.classes=10", "--batch", "1", *MACHINE)["parameters"] == 57_044_810
    googlenet = document(capsys, "cost", "googlenet-paper", "--batch", "1", *MACHINE)
    before = next(layer for layer in googlenet["layers"] if layer["path"] == "inception3a.branch4.0")
    assert before["output"] == [1, 192, 28, 28]  # the block's pooling leaves its input as large as it is
    block = [layer for layer in googlenet["layers"] if layer["path"].startswith("inception3a.") and layer["type"] == "Conv2d"]
    assert [layer["output"][1] for layer in block] == [64, 96, 128, 16, 32, 32]
    assert sum(layer["parameters"] - layer["output"][1] for layer in block) == 163_328
    assert sum(layer["multiply_adds"] for layer in block) == 128_049_152


ATTENTION = """
import torch
from torch import nn


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x)[0]


class Whitened(nn.Module):
    def forward(self, x):
        return torch.linalg.qr(x).Q
"""


def test_attention_and_what_is_not_counted(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "attention_sample.py").write_text(ATTENTION)
    monkeypatch.chdir(tmp_path)
    assert document(capsys, "cost", "attention_sample:SelfAttention", "--input", "10x32", *MACHINE)["multiply_adds"] == 47_360
    words = ["--set", "embed_dim=32", "--set", "num_heads=4", "--set", "batch_first=true", *MACHINE]
    assert document(capsys, "cost", "torch.nn:MultiheadAttention", *["--input", "10x32"] * 3, *words)["multiply_adds"] == 47_360
    words = ["--set", "d_model=32", "--set", "nhead=4", "--set", "dim_feedforward=64", "--set", "batch_first=true", *MACHINE]
    assert document(capsys, "cost", "torch.nn:TransformerEncoderLayer", "--input", "10x32", *words)["multiply_adds"] == 88_320
    assert main(["cost", "attention_sample:Whitened", "--input", "8x4", *MACHINE]) == 0
    assert "\nnote: multiply-adds of these operations are not counted: linalg_qr\n" in capsys.readouterr().out


def test_a_recipe_is_counted_as_it_trains(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "mnist-vgg11", "--peak", "1e12"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("recipe mnist-vgg11 on 1×28×28 (channels 1, size 28, classes 10), batch 128, adamw\n")
    assert "note:" not in out and "parameters       445,482\n" in out
    assert main(["cost", "adult-mlp", "--peak", "1e12"]) == 0
    out = capsys.readouterr().out
    assert "\nnote: the recipe's data are not read, so this is assumed: numbers 784, outputs 10; --input and --set say otherwise\n" in out


def test_systolic(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "array.svg"
    found = document(capsys, "systolic", "--m", "3", "--k", "3", "--n", "2", "--out", str(out))
    assert set(found) | {"array"} == documented("systolic") | {"array"}
    assert found["left"][0][0] == 4 and found["left"][2][1] == 7
    assert found["difference"] == 0
    assert out.read_text(encoding="utf-8").count('class="cycle"') == 7
    assert main(["systolic", "--out", str(out)]) == 0
    assert "y₁₁ leaves in cycle 4, y₃₂ in cycle 7 of 7" in capsys.readouterr().out
    assert main(["systolic", "--m", "5", "--rows", "2", "--columns", "2", "--out", str(out)]) == 0
    assert "in 6 tiles" in capsys.readouterr().out
    assert "tile 2,1" in out.read_text(encoding="utf-8")
    assert main(["systolic", "--m", "0"]) == 2
    assert "--m is 0" in capsys.readouterr().err


def test_bench(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured is kept, and shown; here the measuring itself is replaced, as tests/cost/test_machine.py does it."""
    known = machines.Machine("a processor", "cpu", 2, "2.13", "2026-01-01", 1e11, 2e10, ((8192, 1e11), (16384, 9e10)), Pair(1.0, 10.0), Pair(1.0, 100.0))
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path))
    monkeypatch.setattr(machines, "measure", lambda device: known)
    found = document(capsys, "bench", "--device", "cpu", "--out", str(tmp_path / "machine.html"))
    inner = {key for name in ("strides", "loops") for key in found[name]} | {"bytes", "bytes_per_second"}
    assert set(found) | inner == documented("bench") - {"to_device", "to_device_pinned", "to_host", "asked", "done"}
    assert found["ridge"] == 5.0
    monkeypatch.setattr(machines, "measure", lambda device: pytest.fail("it was measured again"))
    assert main(["bench", "--device", "cpu"]) == 0
    assert "100.0 billion multiply-adds/s" in capsys.readouterr().out
    assert "Caches" in (tmp_path / "machine.html").read_text(encoding="utf-8")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "lenet", "--device", "cuda"]) == 2
    assert "cuda" in capsys.readouterr().err


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_is_compared_with_itself(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "cost", "resnet18", "--device", "cuda", "--batch", "8", "--measure")
    assert found["machine"]["device"] == torch.cuda.get_device_name()
    assert "predicted" not in found and 0 < found["measured"]["share_of_floor"] <= 1.2
