"""What each measure is called, how it is written and what it means in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from sonde.report.html import Markup, prose
from sonde.report.numbers import finite, percent, plus_minus, show


@dataclass(frozen=True)
class Measure:
    """How to write and read one measure. `meaning` holds `{}` for the number."""

    word: str
    better: Literal["higher", "lower"]
    share: bool = False
    meaning: str = ""


MEASURES: dict[str, Measure] = {
    "accuracy": Measure("accuracy", "higher", True, "Of 100 {} examples, about {} get the right [class]."),
    "balanced-accuracy": Measure("balanced accuracy", "higher", True, "[Accuracy|accuracy] of each [class], averaged over the classes."),
    "top-5": Measure("top-5 accuracy", "higher", True, "The right [class] is among the five likeliest answers."),
    "macro-f1": Measure(
        "macro F1", "higher", False, "The balance of finding a class and not crying wolf, averaged over the classes; 1 is perfect."
    ),
    "micro-f1": Measure(
        "micro F1", "higher", False, "The balance of finding labels and not crying wolf, over all labels together; 1 is perfect."
    ),
    "span-f1": Measure("span F1", "higher", True, "The balance of finding every [span] and finding no other; a span counts when it is found exactly."),
    "span-precision": Measure("span precision", "higher", True, "The share of the spans found that are right, to the token and the type."),
    "span-recall": Measure("span recall", "higher", True, "The share of the true spans that are found, to the token and the type."),
    "map-50": Measure("mAP at IoU ½", "higher", True, "How much is found and how much of it is right, where half an overlap is enough; 100 % is perfect."),
    "map": Measure("mAP", "higher", True, "How much is found and how much of it is right, averaged over how far boxes must overlap (½ to 0.95)."),
    "map-75": Measure("mAP at IoU ¾", "higher", True, "The same, where boxes must overlap by three quarters."),
    "map-small": Measure("mAP, small objects", "higher", True, "Of objects of less than 32 × 32 pixels."),
    "map-medium": Measure("mAP, medium objects", "higher", True, "Of objects between 32 × 32 and 96 × 96 pixels."),
    "map-large": Measure("mAP, large objects", "higher", True, "Of objects of more than 96 × 96 pixels."),
    "recall-100": Measure("recall", "higher", True, "The share of objects found, averaged over how far boxes must overlap."),
    "voc-ap": Measure("VOC AP", "higher", True, "Pascal VOC's average precision at an overlap of one half."),
    "voc07-ap": Measure("VOC 2007 AP", "higher", True, "Pascal VOC's first form, read off at eleven recalls."),
    "mask-map": Measure("mAP of masks", "higher", True, "As mAP, with outlines compared instead of boxes."),
    "mask-map-50": Measure("mAP of masks at IoU ½", "higher", True, "Where outlines must overlap by one half."),
    "mask-map-75": Measure("mAP of masks at IoU ¾", "higher", True, "Where outlines must overlap by three quarters."),
    "auc": Measure("AUC", "higher", False, "The chance that a positive example is ranked above a negative one; 0.5 is guessing."),
    "calibration-error": Measure(
        "calibration error", "lower", True, "How far confidence and the share of right answers lie apart on average."
    ),
    "loss": Measure("loss", "lower", False, "The number that training makes small."),
    "rmse": Measure(
        "RMSE", "lower", False, "A prediction is typically about {} off, in the units of the [target]; large misses weigh more."
    ),
    "mae": Measure("MAE", "lower", False, "A prediction is {} off on average, in the units of the [target]."),
    "r2": Measure(
        "R²", "higher", False, "The share of the variance of the [target] that is explained: 1 is perfect, 0 is no better than the mean."
    ),
    "rmsle": Measure("RMSLE", "lower", False, "A prediction is typically off by a factor of about {}."),
    "mape": Measure("MAPE", "lower", True, "A prediction is {} of the truth off on average."),
    "exact-match": Measure("exact match", "higher", True, "The share of examples of which every label is right."),
    "skill": Measure(
        "skill", "higher", True, "How much smaller the error is than that of [persistence]: 0 % is as good as saying “as today”."
    ),
    "perplexity": Measure("perplexity", "lower", False, "Each next [token] is as hard to guess as one of {} equally likely ones."),
    "bleu": Measure("BLEU", "higher", False, "How many runs of words its translations share with the references, of 100."),
    "mean-iou": Measure(
        "mean IoU", "higher", True, "Of the pixels that truth or answer give a [class], {} have both, averaged over the classes ([IoU|iou])."
    ),
    "pixel-accuracy": Measure("pixel accuracy", "higher", True, "The share of the pixels whose [class] is told rightly."),
    "persistence-mae": Measure("MAE of persistence", "lower", False, "What saying “as today” would get."),
}


def measure(key: str) -> Measure:
    """The measure `key`; an unknown one is written as it is."""
    if key in MEASURES:
        return MEASURES[key]
    if key.startswith("iou:"):
        return Measure(f"IoU of {key.removeprefix('iou:')}", "higher", True)
    if key.startswith("ap-50:"):
        return Measure(f"AP at IoU ½ of {key.removeprefix('ap-50:')}", "higher", True)
    if key.startswith("top-"):
        return Measure(f"{key} accuracy", "higher", True)
    lower = any(part in key for part in ("loss", "error", "mae", "rmse", "mse", "perplexity", "bits"))
    return Measure(key.replace("-", " ").replace("_", " "), "lower" if lower else "higher", False)


def written(key: str, value: object) -> str:
    """The value of a measure as it is read: a share as per cent."""
    if finite(value) is None:
        return "–" if value is None else "not a number" if isinstance(value, float) and math.isnan(value) else show(value)
    return percent(value) if measure(key).share else show(value)


def spread(key: str, mean: object, sd: object) -> str:
    """`98.2 ± 0.3 %`, `0.131 ± 0.004`: the deviation with as many decimals as the mean."""
    if finite(sd) is None:
        return written(key, mean)
    if measure(key).share:
        return f"{percent(mean).removesuffix(' %')} ± {percent(sd, 1).removesuffix(' %')} %"
    return plus_minus(mean, sd)


def meaning(key: str, value: float, part: str) -> Markup:
    """One sentence on what this number says."""
    found = measure(key)
    if key == "accuracy":
        right = 100 * value
        near = show(round(right)) if abs(right - round(right)) < 0.05 else show(right, 3)
        return prose(found.meaning, "unseen" if part != "train" else "training", near)
    if key == "rmsle":
        return prose(found.meaning, show(math.exp(min(value, 50)), 3))
    if found.meaning:
        return prose(found.meaning, *([written(key, value)] if "{}" in found.meaning else []))
    return Markup("")


def interval(share: float, size: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share measured on `size` examples (Wilson 1927)."""
    z2 = 1.96**2
    centre = (share + z2 / (2 * size)) / (1 + z2 / size)
    half = 1.96 / (1 + z2 / size) * math.sqrt(share * (1 - share) / size + z2 / (4 * size**2))
    return max(0.0, centre - half), min(1.0, centre + half)
