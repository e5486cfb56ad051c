"""The Time Machine by characters: GRU, LSTM and RNN of 256 units, the last 10 % of the book held out, raw and as 27 letters.

The book's perplexities of 1.0 to 1.3 are of the text that was trained on; here both stand side by side.
"""

from __future__ import annotations

from bench.machine import data
from bench.scores import over_seeds, workplace
from bench.table import Options, Row, main

FLOORS = {"time-machine-gru": 5.0, "time-machine-lstm": 5.0, "time-machine-rnn": None, "time-machine-letters": 4.5}


def measure(options: Options) -> list[Row]:
    """Perplexity a character on the text that was trained on and on the held-out end."""
    data("time_machine")
    rows = []
    with workplace() as folder:
        for name, most in FLOORS.items():
            runs = over_seeds(folder, 1, name, "--epochs", "1", "--set", "model.width=16") if options.quick else over_seeds(folder, options.rounds or 3, name)
            for part, bound in (("train", None), ("validation", None), ("test", most)):
                values = [run.metric("character-perplexity", part) for run in runs]
                rows.append(Row(f"{name}: perplexity a character, {part}", values, at_most=bound, centre="mean", digits=4))
            rows.append(Row(f"{name}: whole command", [run.seconds for run in runs], "s"))
    return rows


if __name__ == "__main__":
    main("The Time Machine, characters", measure)
