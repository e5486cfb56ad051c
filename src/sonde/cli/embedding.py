"""`sonde predict RUN FILE --embed mean`: texts as vectors, and the nearest of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sonde.cli.output import Answer, number, table
from sonde.errors import UsageError

if TYPE_CHECKING:
    from sonde.data.contents import Examples
    from sonde.run import Run

LETTERS = 60  # of a text that a table shows


@dataclass(frozen=True)
class Asked:
    """The flags: how tokens become one vector, how many neighbours are shown, and of which file of vectors."""

    pooling: Literal["mean", "cls"]
    nearest: int
    among: Path | None


def embedded(run: Run, files: tuple[str, ...], asked: Asked, out: Path | None, *, json: bool) -> Answer:
    """Vectors of one file's texts, written to `out` (.npy or .parquet), or their nearest neighbours among themselves or `asked.among`'s."""
    from sonde import embeddings

    if len(files) > 1:
        raise UsageError(f"{len(files)} files were given", where="--embed", remedy="give one file of texts at a time")
    if asked.among is not None and not asked.nearest:
        raise UsageError("--among has no use without --nearest", where="--among", remedy="add --nearest 5")
    if out is None and not asked.nearest and not json:
        raise UsageError("vectors are no reading matter", where="--embed", remedy="add --out vectors.npy, or --nearest 5 to see neighbours")
    texts, found = embeddings.embed(run, files[0], pooling=asked.pooling)
    document = {"run": str(run.path), "texts": len(found), "width": found.shape[1], "pooling": asked.pooling}
    said = ""
    if out is not None:
        embeddings.save(out, texts, found)
        document["out"] = str(out)
        said = f"{number(len(found))} vectors of {found.shape[1]} numbers in {out}"
    elif json and not asked.nearest:
        document["vectors"] = found.tolist()
    if asked.nearest:
        rows = _neighbours(texts, found, asked)
        document["nearest"] = rows
        shown = [[row["text"], f"{row['cosine']:.4f}", row["nearest"]] for row in rows]
        said = "\n".join(filter(None, [said, table(shown, ["text", "cosine", "nearest"])]))
    return Answer(document, said, json=json)


def _neighbours(texts: Examples, found: Any, asked: Asked) -> list[dict[str, object]]:
    """A row for each text and each of its neighbours, the nearest first."""
    from sonde import embeddings

    own = _shown(texts)
    return [
        {"text": own[row], "row": row, "cosine": cosine, "nearest": own[other] if asked.among is None else f"row {other}", "nearest_row": other}
        for row, cosine, other in embeddings.neighbours(found, count=asked.nearest, among=asked.among)
    ]


def _shown(texts: Examples) -> list[str]:
    column = next(name for name in ("text", "tokens", "source") if name in texts.frame.columns)
    values = [value if isinstance(value, str) else " ".join(value) for value in texts.frame[column].to_list()]
    return [value if len(value) <= LETTERS else value[: LETTERS - 1] + "…" for value in values]
