"""What the pages tell a reader to type is typed here, in the order of the page, on small data of the same shape."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sonde.data.open import known_sets
from sonde.data.readers.tables import SUFFIXES
from sonde.report.glossary import GLOSSARY

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "bench" / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def draw(folder: Path) -> None:
    """houses.csv, new.csv, sales.csv, leaves/, new.png, street/ with masks, cells/ with boxes, book.txt, pairs.tsv, and the contest leaves.csv, test.csv,
    answers.csv, sample.csv."""
    draws = np.random.default_rng(0)

    def houses(rows: int) -> list[str]:
        found = []
        for _ in range(rows):
            area, rooms, place = draws.uniform(40, 200), draws.integers(1, 7), draws.choice(["north", "south", "centre"])
            price = 1000 * area + 5000 * rooms + (40_000 if place == "centre" else 0) + draws.normal(0, 5000)
            found.append(f"{area:.1f},{rooms},{place},{price:.2f}")
        return found

    (folder / "houses.csv").write_text("area,rooms,place,price\n" + "\n".join(houses(120)) + "\n")
    (folder / "new.csv").write_text("area,rooms,place\n" + "\n".join(line.rpartition(",")[0] for line in houses(5)) + "\n")
    days = np.datetime64("2024-01-01") + np.arange(200)
    (folder / "sales.csv").write_text(
        "day,sold\n" + "\n".join(f"{day},{100 + 20 * np.sin(i / 7) + draws.normal():.2f}" for i, day in enumerate(days)) + "\n"
    )
    for label, colour in (("oak", 60), ("elm", 180)):
        (folder / "leaves" / label).mkdir(parents=True)
        for number in range(20):
            picture = draws.integers(0, 60, (32, 32, 3), np.uint8) + np.uint8(colour)
            Image.fromarray(picture).save(folder / "leaves" / label / f"{number}.png")
    Image.fromarray(picture).save(folder / "new.png")
    (folder / "street" / "images").mkdir(parents=True)
    (folder / "street" / "masks").mkdir()
    for number in range(10):
        mask = np.zeros((32, 48), np.uint8)
        mask[8 + number : 20 + number, 10:30] = 1
        Image.fromarray(mask).save(folder / "street" / "masks" / f"{number}.png")
        Image.fromarray(draws.integers(0, 60, (32, 48, 3), np.uint8) + 120 * mask[..., None]).save(folder / "street" / "images" / f"{number}.png")
    (folder / "street" / "classes.txt").write_text("ground\nbox\n")
    (folder / "cells").mkdir()
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for number in range(12):
        field = draws.integers(0, 60, (48, 64, 3), np.uint8)
        for colour, name in ((0, "red"), (2, "blue")):
            left, top = draws.integers(0, 44), draws.integers(0, 28)
            field[top : top + 20, left : left + 20, colour] = 220
            rows.append(f"{number}.png,64,48,{name},{left},{top},{left + 20},{top + 20}")
        Image.fromarray(field).save(folder / "cells" / f"{number}.png")
    (folder / "cells" / "boxes.csv").write_text("\n".join(rows) + "\n")
    (folder / "book.txt").write_text("".join(sentence(draws) for _ in range(600)))
    numbers = ["one", "two", "three", "four", "five", "six"]
    chosen = [draws.integers(0, 6, draws.integers(1, 5)) for _ in range(120)]
    words = dict(zip(numbers, ["un", "deux", "trois", "quatre", "cinq", "six"], strict=True))
    lines = [" ".join(numbers[i] for i in row) + "\t" + " ".join(words[numbers[i]] for i in row) for row in chosen]
    (folder / "pairs.tsv").write_text("\n".join(dict.fromkeys(lines)) + "\n")
    named = [f"leaves/{label}/{number}.png" for label in ("oak", "elm") for number in range(20)]
    (folder / "leaves.csv").write_text("image,label\n" + "".join(f"{name},{name.split('/')[1]}\n" for name in named if "9" not in name))
    (folder / "test.csv").write_text("image\n" + "".join(f"{name}\n" for name in named if "9" in name))
    (folder / "answers.csv").write_text("image,label\n" + "".join(f"{name},{name.split('/')[1]}\n" for name in named if "9" in name))
    (folder / "sample.csv").write_text("image,label\n" + "".join(f"{name},oak\n" for name in reversed(named) if "9" in name))


def sentence(draws: np.random.Generator) -> str:
    """One that a language model can learn something from."""
    who, what = draws.choice(["the dog", "the cat", "a bird"], 2)
    return f"{who} {draws.choice(['saw', 'heard', 'met'])} {what}{draws.choice(['', ' again', ' at night'])}.\n".capitalize()


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


# docs/extending.md has a test of its own, tests/contracts/test_extending.py.
RUN = [page for page in PAGES if page.exists() and blocks(page) and page.name != "extending.md"]


# One process for all blocks of a page, as importing PyTorch for each of them would take most of the time.
SCRIPT = """
import json, sys
from sonde.cli.main import main
names = {"__name__": "__main__"}  # the blocks of a page follow one another
for kind, what in json.load(sys.stdin):
    print(">>>", what, file=sys.stderr, flush=True)
    if kind == "python":
        exec(compile(what, "block", "exec"), names)
    elif main(what):
        sys.exit(1)
"""


def steps(page: Path) -> list[tuple[str, str | list[str]]]:
    found: list[tuple[str, str | list[str]]] = []
    for kind, text in blocks(page):
        if kind == "python":
            found.append((kind, text))
            continue
        for line in text.splitlines():
            command = shlex.split(line.removeprefix("$ sonde"), comments=True)
            counts = "ngram" in command  # in one pass
            if command[0] == "train" and "--epochs" not in command and len(command) > 1 and not counts:
                command += ["--epochs", "2"]  # the page lets it train for as long as the recipe says
            found.append((kind, command))
    return found


@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_run(page: Path, tmp_path: Path) -> None:
    draw(tmp_path)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    environment.pop("SONDE_DATA", None)
    given = json.dumps(steps(page))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=given, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.exists()], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} points to {target}, which is not there"


def test_the_glossary_has_the_sentences_of_the_reports() -> None:
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE))
    del rows["word"], rows["---"]
    assert rows == GLOSSARY


def test_the_page_on_data_names_every_set_and_suffix() -> None:
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert not [name for name in [*known_sets(), *SUFFIXES] if f"`{name}`" not in page]


def test_every_file_of_a_run_folder_is_explained(tmp_path: Path) -> None:
    import sonde

    run = sonde.train("digits", model="softmax-regression", epochs=1, examples=200, out=tmp_path / "run")
    page = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")
    unexplained = [path.name for path in run.path.iterdir() if not path.name.startswith(".") and f"`{path.name}" not in page]
    assert not unexplained


def test_the_page_from_the_bottom_names_every_pair_and_how_long_scratch_is() -> None:
    from sonde import verify

    page = (ROOT / "docs" / "from-the-bottom.md").read_text(encoding="utf-8")
    shown = page.split("<!-- verify -->")[1]
    assert re.findall(r"^\| ([a-z][a-z0-9-]*) \|", shown, re.MULTILINE) == ["pair", *verify.PAIRS]
    sizes = [len(file.read_text(encoding="utf-8").splitlines()) for file in (ROOT / "src" / "sonde" / "scratch").glob("*.py")]
    said = re.search(r"`sonde.scratch` has ([\d,]+) lines in (\d+) files, docstrings included; the longest, \S+, has (\d+)\.", shown)
    assert said is not None
    lines, files, longest = (int(number.replace(",", "")) for number in said.groups())
    assert lines == pytest.approx(sum(sizes), rel=0.02)  # a line more or less is no news
    assert (files, longest) == (len(sizes), max(sizes)), "python -m bench.twins writes the page"
