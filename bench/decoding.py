"""Writing 64 sentences of 50 tokens with a small Transformer: Sonde's greedy search against the textbook's loop over the same batch, and a beam of 5.

The textbook's decoder keeps the inputs of each block and projects all of them, and the encoder's memory, anew at every step; Sonde keeps
keys and values, with room for those that come. Both have the sizes of bench/contenders/sentences.py and random weights, and neither ever
ends a sentence. How the time of a token grows with the length stands beside that of the attention over as many kept keys and values.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.contenders.sentences import HEADS, HIDDEN, LAYERS, STEPS, WIDTH, WORDS
from bench.contenders.transformer_book import Book, Decoder
from bench.machine import THREADS
from bench.table import Options, Row, main
from bench.timing import interleave, ratios
from sonde.models import transformer
from sonde.ops.attention import dot_product_attention
from sonde.ops.beam_search import beam_search
from sonde.ops.decode import generate

SENTENCES, LENGTH, LONG, BEAM, NEVER_ENDS = 64, 50, 400, 5, -1


@torch.no_grad()
def book(model: Book, source: Tensor, lengths: Tensor, length: int) -> Tensor:
    """The textbook's loop, all sentences at once."""
    x = model.positions[0](model.source(source) * WIDTH**0.5)
    for block in model.encoder:
        x = block(x, lengths)
    seen: list[Tensor | None] = [None] * LAYERS
    token, out = torch.full((len(source), 1), 2), []
    for step in range(length):
        embedded = model.target(token) * WIDTH**0.5
        y = model.positions[1].dropout(embedded + model.positions[1].table[:, step : step + 1])
        for number, block in enumerate(model.decoder):
            assert isinstance(block, Decoder)
            before = seen[number]
            kept = y if before is None else torch.cat([before, y], dim=1)
            seen[number] = kept
            y = block.norm1(y, block.own(y, kept, None))
            y = block.norm2(y, block.cross(y, x, lengths))
            y = block.norm3(y, block.feed(y))
        token = model.output(y).argmax(dim=2)
        out.append(token)
    return torch.cat(out, dim=1)


def timed(function: Callable[[], object]) -> Callable[[], float]:
    """Seconds of a call."""

    def call() -> float:
        started = time.perf_counter()
        function()
        return time.perf_counter() - started

    return call


def attention(length: int) -> Callable[[], object]:
    """One query a sentence and layer, over 1 … `length` kept keys and values."""
    kept = torch.randn(LAYERS, 2, SENTENCES, HEADS, length, WIDTH // HEADS)  # a decoder reads as much memory
    query = torch.randn(SENTENCES, HEADS, 1, WIDTH // HEADS)

    @torch.inference_mode()
    def all_steps() -> None:
        for step in range(1, length + 1):
            for keys, values in kept:
                dot_product_attention(query, keys[:, :, :step], values[:, :, :step])

    return all_steps


def measure(options: Options) -> list[Row]:
    """Seconds of each, their ratios, and milliseconds a token at two lengths."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    rounds, long = (1, LENGTH) if options.quick else (options.rounds or 15, LONG)
    theirs: nn.Module = Book(WORDS + 4, WORDS + 4).eval()
    config = transformer.Config(
        vocabulary=WORDS + 4, outputs=WORDS + 4, length=long + 1, width=WIDTH, layers=LAYERS, heads=HEADS, hidden=HIDDEN, norm="post"
    )
    ours = transformer.build(config).eval()
    source, lengths = torch.randint(4, WORDS, (SENTENCES, STEPS)), torch.full((SENTENCES,), STEPS)
    begin = torch.full((SENTENCES, 1), 2)

    @torch.no_grad()
    def greedy(length: int) -> Tensor:
        return generate(ours.advance, begin, ours.encode(source, lengths), length=length, end=NEVER_ENDS)

    @torch.no_grad()
    def beams() -> object:
        return beam_search(ours.advance, begin, ours.encode(source, lengths), width=BEAM, length=LENGTH, end=NEVER_ENDS)

    assert isinstance(theirs, Book)
    contenders = {
        "greedy": timed(lambda: greedy(LENGTH)),
        "the book's loop": timed(lambda: book(theirs, source, lengths, LENGTH)),
        f"beam {BEAM}": timed(beams),
        f"greedy, {long} tokens": timed(lambda: greedy(long)),
        f"attention alone, {LENGTH} tokens": timed(attention(LENGTH)),
        f"attention alone, {long} tokens": timed(attention(long)),
    }
    found = interleave(contenders, rounds=rounds)
    rows = [Row(name, seconds, "s") for name, seconds in found.items()]
    rows.append(Row("greedy over the book's loop", ratios(found["the book's loop"], found["greedy"]), "×", at_least=3.0))
    rows.append(Row(f"beam {BEAM} / greedy", ratios(found[f"beam {BEAM}"], found["greedy"]), "×", at_most=8.0))
    per = {name: [1e3 * s / n for s in found[name]] for name, n in (("greedy", LENGTH), (f"greedy, {long} tokens", long))}
    alone = {
        name: [1e3 * s / n for s in found[name]]
        for name, n in ((f"attention alone, {LENGTH} tokens", LENGTH), (f"attention alone, {long} tokens", long))
    }
    grown = [b - a for a, b in zip(*per.values(), strict=True)]
    owed = [b - a for a, b in zip(*alone.values(), strict=True)]
    rows.append(Row(f"a token takes longer at {long} tokens by", grown, "ms"))
    rows.append(Row("of which its attention takes", owed, "ms"))
    return rows


if __name__ == "__main__":
    main("Writing 64 sentences with a small Transformer", measure)
