"""Runs of language models as one: their probabilities mixed, with the weights by which the validation part is likeliest."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sonde.data.batch import NO_TARGET
from sonde.errors import RunError, UsageError
from sonde.nn.mixture import Mixture
from sonde.nn.prepared import Prepared
from sonde.nn.sequence import LanguageModel, blank_filler, network_of
from sonde.ops.mixture import mixture_weights
from sonde.run import PartData, Run, batch_of


def opened(first: Run, others: Sequence[str], device: str | None) -> tuple[list[Run], tuple[float, ...] | None]:
    """All runs and the weights that were asked for: `others` are run folders, or FOLDER=WEIGHT each, which leaves the rest to the first one."""
    runs, given = [first], []
    for other in others:
        folder, _, weight = other.rpartition("=")
        known = folder and not Path(other).is_dir()
        runs.append(Run.load(folder if known else other).to(device))
        given += [_share(weight, other)] if known else []
    if given and (len(given) < len(others) or sum(given) >= 1):
        what = f"--mix {' '.join(others)}: weights of all that are mixed in, or of none, and under 1 together"
        raise UsageError(what, where="--mix", remedy=f"leave them out, or give --mix {' '.join(f'{run.path}={0.9 / len(others):.2g}' for run in runs[1:])}")
    return runs, (1 - sum(given), *given) if given else None


def mixed(runs: Sequence[Run], weights: Sequence[float] | None = None) -> tuple[Run, tuple[float, ...]]:
    """The first run with the mixture of all as its model, and the weights, in the order of the runs.

    It evaluates, ranks and writes as any run. Without `weights` they are those by which the first run's validation part is likeliest. Raises
    RunError for what foretells no next token and for runs whose tokens differ; where weights are to be found also for runs that were not
    trained on the same text, cut alike: one might have learned what the weights are chosen by.
    """
    first = runs[0]
    for run in runs:
        _check(run, first)
    if weights is None:
        for run in runs:
            _check_parts(run, first)
        with torch.no_grad():
            weights = mixture_weights(torch.stack([_log_probabilities(run, first) for run in runs])).tolist()
    model: Any = first.model
    together = copy(first)  # its data, parts and task are the first one's
    together.model = Prepared(model.normalise, Mixture([network_of(run.model) for run in runs], weights)).to(first.device).eval()
    return together, tuple(weights)


def _share(text: str, whole: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        what = f"--mix {whole}: {text!r} is no weight over 0 and under 1"
        raise UsageError(what, where="--mix", remedy="give a run folder, or FOLDER=0.4")
    return share


def _check(run: Run, first: Run) -> None:
    if run.folds or run.description["task"]["name"] != "language-modelling":
        raise RunError("this run does not foretell the next token of a text", where=str(run.path), remedy="mix language models alone")
    if blank_filler(run.model) is not None or not isinstance(network_of(run.model), LanguageModel):
        what = f"{run.description['model']['name']} reads both ways: it fills blanks, and has no probability of the next token alone"
        raise RunError(what, where=str(run.path), remedy="mix models that read from left to right")
    if run.target.values["tokenizer"] != first.target.values["tokenizer"]:
        raise RunError(f"its tokens are not those of {first.path}", where=str(run.path), remedy="train both with the same --set data.… options")


def _check_parts(run: Run, first: Run) -> None:
    cuts = [(each.description["fingerprint"], each.recipe.data.validation, each.recipe.data.test) for each in (run, first)]
    if cuts[0] != cuts[1]:
        what = f"it was not trained on the same text as {first.path}, cut alike; one may have learned what weights are chosen by"
        raise RunError(what, where=str(run.path), remedy="train both on one text, with the same --validation and --set data.test")
    if "validation" not in run.metrics_file:
        raise RunError("it has no validation part to choose weights by", where=str(run.path), remedy="train with --validation 0.1")


def _log_probabilities(run: Run, first: Run) -> Tensor:
    """Of each token of the validation part ln P, float64, in the first run's batches."""
    part = PartData(*first.part("validation"))
    found, state = [], None
    for (batch,) in part.batches(batch_of(first.model, part.columns), first.device).epoch(0):
        told = first.task.loss(run.model, batch, batch.counts, state)
        state = told.state
        assert batch.targets is not None
        known = batch.targets != NO_TARGET
        found.append(told.output.double().log_softmax(-1)[known].gather(1, batch.targets[known][:, None])[:, 0])
    return torch.cat(found)
