"""A run's word vectors for NumPy alone: the table, and the words of its rows."""

from __future__ import annotations

import json
from pathlib import Path

import safetensors.torch

from sonde.export.numpy_runtime.graph import FORMAT
from sonde.export.numpy_runtime.model import load
from sonde.export.numpy_runtime.word_vectors import WordVectors
from sonde.run import Run
from sonde.word_vectors import word_vectors

COMPARED = 64  # words whose neighbours are compared


def export_vectors(run: Run, folder: Path) -> tuple[float, int, str]:
    """The files of word vectors into a folder that exists: the largest difference of cosines, of how many words, and what they are."""
    found = word_vectors(run)
    safetensors.torch.save_file({"vectors": found.vectors.contiguous()}, folder / "weights.safetensors")
    described = {
        "format": FORMAT,
        "sonde": run.description["sonde"],
        "kind": "word-vectors",
        "answer": {"kind": "neighbours"},
        "form": found.preparation.form,
        "words": list(found.words),
    }
    (folder / "preprocessing.json").write_text(json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8")
    exported = load(folder)
    assert isinstance(exported, WordVectors)
    asked = found.words[:COMPARED]
    apart = [abs(found.neighbours(word, 1)[0][1] - exported.neighbours(word, 1)[0][1]) for word in asked]
    return max(apart), len(asked), "words and their nearest"
