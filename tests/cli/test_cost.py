"""`sonde cost`, `sonde systolic` and `sonde bench`: what they print, what --json holds, and mistakes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

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
        (["lenet", "--peak", "0"], "--peak is 0"),
        (["lenet", "--optimizer", "adamm"], "did you mean 'adam"),
        (["nowhere.at:all", "--input", "3x8x8"], "there is no module 'nowhere'"),
        (["lenet", "--input", "1x4x4"], "12×12"),
    ],
)
def test_mistakes(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", *words]) == 2
    assert said in capsys.readouterr().err


def test_systolic(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "array.svg"
    found = document(capsys, "systolic", "--m", "3", "--k", "3", "--n", "2", "--out", str(out))
    assert set(found) | {"array"} == documented("systolic") | {"array"}
    assert found["left"][0][0] == 4 and found["left"][2][1] == 7
    assert found["difference"] == 0
    assert out.read_text(encoding="utf-8").count('class="cycle"') == 7
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
