"""BERT's forward pass at the size of bert-base, 8 texts of 128 tokens: Sonde against the Transformers library with its fastest attention.

The same weights in the same process, by turns. Of compiled forms the seconds of compiling stand beside. Batches of real sentences (SST-2 and
SICK, with the vocabulary of the uncased checkpoints) are those that Sonde predicts, sorted by length, against the file's order padded to the
longest of all. int8 is `Run.to_int8`'s arithmetic; its error is the largest difference of hidden states, which are of spread 1.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from bench.machine import data
from bench.table import Options, Row, main
from bench.timing import interleave, ratios
from sonde.data.batches import Batches
from sonde.data.contents import Examples
from sonde.data.prepare.bert import BertPreparation, cut
from sonde.data.prepare.columns import Columns
from sonde.data.prepare.tokenizers.bert import of_folder
from sonde.models.bert import VARIANTS, Bert, Config, build, published
from sonde.nn.int8 import to_int8

BATCH, LENGTH = 8, 128
SENTENCES = 512


class Library(nn.Module):
    """Hidden states of the Transformers library's model: the first of its two outputs."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        import transformers

        settings = transformers.BertConfig(
            vocab_size=config.vocabulary,
            hidden_size=config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            intermediate_size=config.hidden or 4 * config.width,
            attn_implementation="sdpa",
        )
        self.model: Any = transformers.BertModel(settings, add_pooling_layer=False)

    def forward(self, tokens: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        """(batch, step, width)."""
        y: Tensor = self.model(input_ids=tokens, attention_mask=mask, token_type_ids=segments).last_hidden_state
        return y


def timed(call: Callable[[], object]) -> Callable[[], float]:
    """Milliseconds of a call."""

    def turn() -> float:
        started = time.perf_counter()
        with torch.inference_mode():
            call()
        return 1e3 * (time.perf_counter() - started)

    return turn


def first(call: Callable[[], object]) -> float:
    """Seconds of the first call, compiling included."""
    return timed(call)() / 1e3


def sentences() -> dict[str, list[list[Tensor]]]:
    """Tokens and lengths of the batches: sorted by length as Sonde predicts them, and in a drawn order, padded to the longest of each or of all."""
    pieces = of_folder(data("bert_vocab"))
    assert pieces is not None
    lines = (data("sst2") / "test.tsv").read_text(encoding="utf-8").splitlines()
    texts = [line.split("\t")[0] for line in lines]
    rows = (data("sick") / "SICK_test_annotated.txt").read_text(encoding="utf-8").splitlines()[1:]
    texts = (texts[: SENTENCES // 2] + [row.split("\t")[1] for row in rows])[:SENTENCES]
    order = np.random.default_rng(0).permutation(len(texts))
    frame = pl.DataFrame({"text": [texts[place] for place in order]})
    longest = int(cut(pieces, frame["text"])[1].max()) + 2
    tokens, lengths = (torch.from_numpy(each) for each in BertPreparation(("text",), pieces, longest).encode(Examples(frame)))
    columns = Columns((tokens, lengths), None, np.ones(len(texts), dtype=bool))
    batches = Batches(columns, np.arange(len(texts)), batch_size=BATCH, seed=0, shuffle=False, device="cpu")
    by_length = [list(batch.inputs) for (batch,) in batches.epoch(0)]
    plain = [[tokens[at : at + BATCH].long(), lengths[at : at + BATCH].long()] for at in range(0, len(texts), BATCH)]
    each = [[tokens[:, : int(lengths.max())], lengths] for tokens, lengths in plain]
    return {"sorted by length": by_length, "padded to the longest of a batch": each, "padded to the longest of all": plain}


def through(model: Bert, batches: list[list[Tensor]]) -> Callable[[], float]:
    """Milliseconds of all batches."""
    return timed(lambda: [model(tokens, lengths) for tokens, lengths in batches])


def measure(options: Options) -> list[Row]:
    """Milliseconds of all, ratios turn by turn, seconds of compiling, and the error of int8."""
    rounds = 2 if options.quick else options.rounds or 9
    config = dataclasses.replace(VARIANTS["bert-tiny" if options.quick else "bert-base"], vocabulary=30_522, outputs=2)
    torch.manual_seed(0)
    own = build(config).bert.eval()
    library = Library(config).eval()
    named = {name.removeprefix("bert."): tensor for name, tensor in published(library.model.state_dict()).items()}
    own.load_state_dict(named, strict=False)
    tokens = torch.randint(1000, 30_000, (BATCH, LENGTH), generator=torch.Generator().manual_seed(0))
    lengths, mask, segments = torch.full((BATCH,), LENGTH), torch.ones(BATCH, LENGTH), torch.zeros(BATCH, LENGTH, dtype=torch.long)
    calls: dict[str, Callable[[], Tensor]] = {"sonde": lambda: own(tokens, lengths), "transformers": lambda: library(tokens, mask, segments)}
    with torch.inference_mode():
        exact, theirs = own(tokens, lengths), library(tokens, mask, segments)
    torch.testing.assert_close(exact, theirs, rtol=0, atol=1e-5)
    rounded = build(config).bert.eval()
    rounded.load_state_dict(own.state_dict())
    to_int8(rounded.encoder)
    calls["sonde, int8"] = lambda: rounded(tokens, lengths)
    compiling = {}
    if not options.eager:
        both = {"sonde, compiled": torch.compile(own), "transformers, compiled": torch.compile(library)}
        calls["sonde, compiled"] = lambda: both["sonde, compiled"](tokens, lengths)
        calls["transformers, compiled"] = lambda: both["transformers, compiled"](tokens, mask, segments)
        compiling = {name: first(calls[name]) for name in both}
    found = interleave({name: timed(call) for name, call in calls.items()}, rounds=rounds)
    rows = [Row(f"{name}, {BATCH} × {LENGTH}", times, "ms") for name, times in found.items()]
    rows += [Row(f"{name}: first call", [seconds], "s") for name, seconds in compiling.items()]
    rows.append(Row("sonde over transformers", ratios(found["transformers"], found["sonde"]), "×", at_least=1.0))
    if compiling:
        rows.append(Row("sonde over transformers, both compiled", ratios(found["transformers, compiled"], found["sonde, compiled"]), "×", at_least=1.0))
    rows.append(Row("int8 over float32", ratios(found["sonde"], found["sonde, int8"]), "×", at_least=2.0))
    with torch.inference_mode():
        rows.append(Row("int8: largest error of hidden states", [float((rounded(tokens, lengths) - exact).abs().max())]))
    return rows + _sorted(own, options)


def _sorted(own: Bert, options: Options) -> list[Row]:
    """Sentences in batches of one length, and padded."""
    turns = {name: through(own, batches[: 3 if options.quick else None]) for name, batches in sentences().items()}
    found = interleave(turns, rounds=1 if options.quick else max(3, (options.rounds or 9) // 3), warmup=int(options.quick))
    rows = [Row(f"{SENTENCES} sentences, {name}", [1e-3 * time for time in times], "s") for name, times in found.items()]
    best, floors = found["sorted by length"], {"padded to the longest of all": 1.4, "padded to the longest of a batch": None}
    return rows + [Row(f"sorted over {name}", ratios(found[name], best), "×", at_least=floor) for name, floor in floors.items()]


if __name__ == "__main__":
    main("BERT forward", measure)
