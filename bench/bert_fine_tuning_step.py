"""Fine-tuning steps of a BERT of bert-mini's size, batches of 32 texts of 64 tokens: Sonde's loop against the Hugging Face Trainer.

Same weights, texts, AdamW, clipping and dropout. Beforehand both take 50 steps on one batch without dropout, and their losses are compared
step by step.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from bench.race import Entry, race, running
from bench.table import Options, Row, main
from bench.timing import ratios

BATCH, STEPS = 32, 50
EAGER = {"sonde": Entry("bert_sonde"), "Trainer": Entry("bert_trainer", peer=True)}
FLOORS = {"sonde": ("Trainer", 1.1), "sonde, compiled": ("Trainer, compiled", None)}
TOLERANCE = 1e-4


def measure(options: Options) -> list[Row]:
    """Examples a second of both, Sonde's ratio, and the largest difference of 50 losses."""
    examples, rounds = (2 * BATCH, 1) if options.quick else (options.examples or 50 * BATCH, options.rounds or 7)
    entries = dict(EAGER)
    if not options.eager:
        entries |= {f"{name}, compiled": replace(entry, compile=True) for name, entry in EAGER.items()}
    found = race(entries, network="bert", examples=examples, batch=BATCH, rounds=rounds, peers=options.peers)
    rows = [Row(f"{name} (last loss {each.loss:.2f})", [examples / seconds for seconds in each.seconds], "examples/s") for name, each in found.items()]
    for own, (peer, floor) in FLOORS.items():
        if own in found and peer in found:
            rows.append(Row(f"{own} over {peer}", ratios(found[peer].seconds, found[own].seconds), "×", at_least=floor))
    rows += [Row(f"{name}: first epoch", [each.first], "s") for name, each in found.items() if name.endswith("compiled")]
    return rows + (_compared(5 if options.quick else STEPS, options.peers) if options.peers else [])


def _compared(steps: int, peers: str) -> list[Row]:
    """Losses of both, an epoch of one batch a step."""
    with ExitStack() as stack:
        both = [stack.enter_context(running(entry, network="bert-plain", examples=BATCH, batch=BATCH, peers=peers)) for entry in EAGER.values()]
        for each in both:
            for _ in range(steps):
                each.epoch()
        own, theirs = (each.losses for each in both)
    what = f"losses of {steps} steps without dropout ({own[0]:.3f} … {own[-1]:.3f}): largest difference"
    return [Row(what, [max(abs(a - b) for a, b in zip(own, theirs, strict=True))], at_most=TOLERANCE)]


if __name__ == "__main__":
    main("Fine-tuning BERT: steps", measure)
