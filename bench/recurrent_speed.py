"""Characters through RNN, GRU and LSTM, hidden size 256, 35 steps, 32 rows: Sonde's layers in the book's loop against torch.nn's."""

from __future__ import annotations

from bench.contenders.book_text import STEPS
from bench.race import Entry, race
from bench.table import Options, Row, main
from bench.timing import ratios

BATCH = 32
THEIRS, OURS, TOKENS, WHOLE = "torch.nn", "sonde's layer", "sonde's layer, tokens as they are", "sonde train's loop"
ENTRIES = {
    THEIRS: Entry("book_text"),
    OURS: Entry("book_text", workers=1),
    TOKENS: Entry("book_text", workers=2),
    WHOLE: Entry("sonde_text"),
}
FLOORS = {"rnn": 1.4, "gru": 1.4, "lstm": 1.0}


def measure(options: Options) -> list[Row]:
    """Tokens a second of all, then the ratio of each to torch.nn's layer in the book's loop."""
    sequences, rounds = (2 * BATCH, 1) if options.quick else (options.examples or 40 * BATCH, options.rounds or 15)
    rows = []
    for network, floor in FLOORS.items():
        found = race(ENTRIES, network=network, examples=sequences, batch=BATCH, rounds=rounds, peers=None)
        for name, result in found.items():
            rows.append(Row(f"{network}: {name} (last loss {result.loss:.2f})", [sequences * STEPS / s for s in result.seconds], "tokens/s"))
        for name in (OURS, TOKENS, WHOLE):
            reach = floor if name == TOKENS else None
            rows.append(Row(f"{network}: {name} over {THEIRS}", ratios(found[THEIRS].seconds, found[name].seconds), "×", at_least=reach))
    return rows


if __name__ == "__main__":
    main("Recurrent layers, training in the book's loop", measure)
