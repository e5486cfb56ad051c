"""The sections of a run's report, in their order, each with what one is looking at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sonde.report import ahead, data_section, detection, inside, looking, mistakes, repeat, segmentation, sequences
from sonde.report.curves import curves
from sonde.report.headline import results
from sonde.report.html import Markup, join, tag
from sonde.report.read import Record, View


@dataclass(frozen=True)
class Section:
    """A part of the report: `draw` gives an empty text where the run has nothing for it. `{part}` in `explains` names the measured part."""

    key: str
    title: str
    draw: Callable[[Record, View], Markup]
    explains: str


def _results(record: Record, view: View) -> Markup:
    return results(record)


def _training(record: Record, view: View) -> Markup:
    return join([curves(record, view), repeat.happened(record, view)])


def _data(record: Record, view: View) -> Markup:
    return data_section.about(record.data, record.path, view)


def _problems(record: Record, view: View) -> Markup:
    return data_section.problem_list(record.data, view)


def _again(record: Record, view: View) -> Markup:
    parts = [("The recipe", repeat.recipe(record, view)), ("Where it ran", repeat.environment(record, view))]
    return join([repeat.commands(record, view), [[tag("h3", None, title), body] for title, body in parts if body]])


SECTIONS: tuple[Section, ...] = (
    Section(
        "results",
        "Results",
        _results,
        "Every measure on every part. What counts is how well the model does on examples it never saw: that is [generalisation].",
    ),
    Section(
        "folds",
        "Folds",
        repeat.folds,
        "The data were cut into K pieces; each [fold] was held out once while the others trained. The spread tells how far luck goes.",
    ),
    Section("words", "What the model says", inside.model_words, "What this kind of model can prove or count about its own training."),
    Section(
        "training",
        "How the training went",
        _training,
        "From left to right the [epochs|epoch] pass. [Training] should improve and level off; "
        "where [validation] turns back while training goes on, [overfitting] begins.",
    ),
    Section("trace", "Step by step", inside.trace, "Each [step] with the numbers that one would write down by hand."),
    Section(
        "confusion",
        "What is taken for what",
        mistakes.confusion,
        "A [confusion matrix] shows not only how often the model is wrong but how.",
    ),
    Section(
        "classes",
        "Class by class",
        mistakes.class_by_class,
        "Of a class, how much was found ([recall]), and how far the answer can be trusted ([precision]), on {part}.",
    ),
    Section(
        "found",
        "What it finds",
        detection.found,
        "A detection counts when it overlaps an object of its class far enough: by its [IoU|iou]. [mAP|average precision] sums that up on {part}.",
    ),
    Section("seen", "The truth, and what was found", detection.seen, "At the left what a person marked, at the right what the model says."),
    Section(
        "taken",
        "Taken for what, or for nothing",
        detection.confusion,
        "Each object and each detection once: mixed up, missed, or seen where nothing is.",
    ),
    Section("mistakes", "What kind of mistakes", detection.mistakes, "What is wrong with the detections that are wrong."),
    Section("missed", "The worst misses", detection.missed, "The largest objects that it did not find. Dashed: what it did find there."),
    Section("invented", "The worst false alarms", detection.invented, "The detections that it was surest of, and that are wrong. Dashed: what is there."),
    Section(
        "segments-classes",
        "How well each class is outlined",
        segmentation.classes,
        "Of the pixels that truth or answer give a [class], the share that both give it: [IoU|iou] on {part}. Small and thin things are the hardest.",
    ),
    Section(
        "segments",
        "Truth beside prediction",
        segmentation.examples,
        "Examples of {part} from the worst to the best. Places without colour have no known [class]; they are neither learned nor measured.",
    ),
    Section(
        "pairs",
        "Mixed up, in pictures",
        looking.pairs,
        "The pairs of classes that are taken for one another most often, each with the mistakes that the model was surest of.",
    ),
    Section("forecast", "The forecast", mistakes.forecast, "What was predicted, beside what then happened."),
    Section(
        "ahead",
        "How far ahead it sees",
        ahead.ahead,
        "Errors on {part} by how far ahead one looks; what is nearest is told best. The simplest forecast, [persistence], says that all stays as it is.",
    ),
    Section("residuals", "How far off it is", mistakes.residuals, "Predictions beside the truth on {part}, and what is left between them."),
    Section(
        "calibration",
        "Can its confidence be believed?",
        mistakes.calibration,
        "If it says 80 % sure, is it right 80 times of 100? That is [calibration].",
    ),
    Section(
        "worst",
        "The worst mistakes",
        mistakes.worst,
        "The examples with the largest [loss]. Look closely: some are hard, some are wrongly labelled, "
        "some show what the model has not understood.",
    ),
    Section(
        "saliency",
        "Where it looked",
        looking.saliency,
        "[Saliency]: which places of the picture speak for the answer. A model that looks beside the thing has learned something else.",
    ),
    Section(
        "filters",
        "What it looks for first",
        looking.filters,
        "The first layer's [filters|filter], learned from the pictures alone: edges, colours, spots. All that follows is made of their answers.",
    ),
    Section("written", "What it writes", sequences.written, "The beginning was held out; the rest is the model's own."),
    Section("translations", "What it translates", sequences.translations, "Held-out sentences, beside what a person wrote."),
    Section(
        "foretold",
        "What surprised it",
        sequences.foretold,
        "A language model gives every possible next [token] a probability. [Perplexity|perplexity] is how many equally likely ones would be as hard.",
    ),
    Section("beam", "How it searched", sequences.beam, "Of all beginnings the likeliest few are kept at each step."),
    Section(
        "attention",
        "Where it attended",
        sequences.attention,
        "[Attention] averages what was read with weights that say how well each place fits.",
    ),
    Section(
        "embeddings",
        "Which tokens it holds alike",
        sequences.embeddings,
        "Each token is a vector to the model. Tokens that are used alike come to lie close.",
    ),
    Section(
        "importance",
        "What it relies on",
        inside.importance,
        "[Permutation importance|permutation importance]: shuffle one column and see how much is lost.",
    ),
    Section(
        "boundary",
        "Where it draws the line",
        inside.boundary,
        "Every place of the plane is a possible example; the colour is the answer given there.",
    ),
    Section("surface", "The way down", inside.loss_surface, "Training is a walk downhill on a landscape of [loss]."),
    Section(
        "scale",
        "Do signals stay healthy?",
        inside.scale,
        "Numbers that grow or shrink from layer to layer end in overflow or in layers that no longer learn. Here is how large they are.",
    ),
    Section(
        "data",
        "What the data looked like",
        _data,
        "What the model was given to learn from. Every statistic used to prepare it comes from the [training] part alone.",
    ),
    Section("problems", "Problems found in the data", _problems, "What the check before the first [step] found, and what to do about it."),
    Section("speed", "Speed", repeat.speed, "How many [examples|example] were worked through a second, and where the time went."),
    Section(
        "looks",
        "Looks at the test part",
        repeat.looks,
        "A [test] part is honest once. Every further look lets it steer choices, and its number turns too good.",
    ),
    Section("repeat", "How to repeat it", _again, "The folder of this [run] holds all that is needed."),
)
