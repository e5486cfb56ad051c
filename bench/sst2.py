"""Sentences of film reviews, positive or negative, from scratch: the recipe sst2-embedding-bag, and logistic regression on TF-IDF beside it."""

from __future__ import annotations

from bench.scores import over_seeds, workplace
from bench.table import Options, Row, main

NAME = "sst2-embedding-bag"


def linear() -> float:
    """Test accuracy of scikit-learn's logistic regression on TF-IDF of words and pairs of neighbours, its defaults else."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    from sonde.data.open import open_data

    parts = {name: examples.frame for name, examples in open_data("sst2").parts.items()}
    count = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\S+")
    model = LogisticRegression(C=10, max_iter=1000).fit(count.fit_transform(parts["train"]["text"].to_list()), parts["train"]["label"].to_numpy())
    return float(model.score(count.transform(parts["test"]["text"].to_list()), parts["test"]["label"].to_numpy()))


def measure(options: Options) -> list[Row]:
    """Test accuracy over seeds, seconds of a training, and the linear model's accuracy."""
    with workplace() as folder:
        runs = over_seeds(folder, 1, NAME, "--epochs", "1") if options.quick else over_seeds(folder, 5, NAME)
    return [
        Row("sst2: test accuracy", [run.metric("accuracy") for run in runs], at_least=None if options.quick else 0.82, centre="mean", digits=4),
        Row("sst2: logistic regression on TF-IDF", [linear()], digits=4),
        Row("sst2: whole command, imports included", [run.seconds for run in runs], "s"),
    ]


if __name__ == "__main__":
    main("Film reviews, positive or negative", measure)
