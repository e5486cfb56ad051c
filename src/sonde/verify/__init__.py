"""The list of twins and the proof that they are equal: `sonde verify`.

`PAIRS` names, for each algorithm that stands twice, the function that builds its `Pair`. `WAITING` names those whose fast form is still
to come, and where it will stand: a test fails as soon as one of these modules exists and has no pair. Another fails when a module of
`sonde.scratch` holds an algorithm that no pair reaches.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sonde.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from sonde.verify.pair import Pair, Verdict

# name → function without arguments that gives the Pair.
PAIRS: dict[str, str] = {
    "dense": "sonde.verify.layers:dense",
    "conv1d": "sonde.verify.layers:conv1d",
    "conv2d": "sonde.verify.layers:conv2d",
    "conv3d": "sonde.verify.layers:conv3d",
    "true-convolution": "sonde.verify.layers:true_convolution",
    "transposed-convolution": "sonde.verify.layers:transposed_convolution",
    "bilinear-start": "sonde.verify.layers:bilinear_start",
    "style-losses": "sonde.verify.layers:style_losses",
    "max-pool": "sonde.verify.layers:max_pool",
    "max-pool-windows": "sonde.verify.layers:max_pool_windows",
    "average-pool": "sonde.verify.layers:average_pool",
    "average-pool-windows": "sonde.verify.layers:average_pool_windows",
    "global-average-pool": "sonde.verify.layers:global_average_pool",
    "batch-norm": "sonde.verify.layers:batch_norm",
    "layer-norm": "sonde.verify.layers:layer_norm",
    "embedding": "sonde.verify.layers:embedding",
    "dropout": "sonde.verify.layers:dropout",
    "preactivation-block": "sonde.verify.layers:preactivation_block",
    "residual-block": "sonde.verify.layers:residual_block",
    "rnn": "sonde.verify.sequences:rnn",
    "gru": "sonde.verify.sequences:gru",
    "gru-reset-before": "sonde.verify.sequences:gru_reset_before",
    "lstm": "sonde.verify.sequences:lstm",
    "kernel-regression": "sonde.verify.sequences:kernel_regression",
    "dot-product-attention": "sonde.verify.sequences:dot_product_attention",
    "causal-attention": "sonde.verify.sequences:causal_attention",
    "additive-attention": "sonde.verify.sequences:additive_attention",
    "multi-head-attention": "sonde.verify.sequences:multi_head_attention",
    "positional-encoding": "sonde.verify.sequences:positional_encoding",
    "encoder-block": "sonde.verify.sequences:encoder_block",
    "decoder-block": "sonde.verify.sequences:decoder_block",
    "bert-block": "sonde.verify.bert:bert_block",
    "squared": "sonde.verify.losses:squared",
    "mse": "sonde.verify.losses:mse",
    "mae": "sonde.verify.losses:mae",
    "huber": "sonde.verify.losses:huber",
    "cross-entropy": "sonde.verify.losses:cross_entropy",
    "one-hot-squared": "sonde.verify.losses:one_hot_squared",
    "binary-cross-entropy": "sonde.verify.losses:binary_cross_entropy",
    "perceptron-sign": "sonde.verify.losses:perceptron_sign",
    "perceptron-step": "sonde.verify.losses:perceptron_step",
    "margin": "sonde.verify.losses:margin",
    "entropy": "sonde.verify.losses:entropy",
    "kl-divergence": "sonde.verify.losses:kl_divergence",
    "linear-regression": "sonde.verify.algorithms:linear_regression",
    "separation": "sonde.verify.algorithms:separation",
    "box-forms": "sonde.verify.boxes:box_forms",
    "intersection-over-union": "sonde.verify.boxes:intersection_over_union",
    "generalised-intersection-over-union": "sonde.verify.boxes:generalised_intersection_over_union",
    "anchors": "sonde.verify.boxes:anchors",
    "anchor-matching": "sonde.verify.boxes:matching",
    "box-offsets": "sonde.verify.boxes:offsets",
    "non-maximum-suppression": "sonde.verify.boxes:non_maximum_suppression",
    "roi-pooling": "sonde.verify.boxes:roi_pooling",
    "roi-align": "sonde.verify.boxes:roi_align",
    "weighted-boxes-fusion": "sonde.verify.boxes:boxes_fusion",
    "k-means": "sonde.verify.algorithms:k_means",
    "pca": "sonde.verify.algorithms:pca",
    "systolic-array": "sonde.verify.algorithms:systolic_array",
    "n-gram": "sonde.verify.decoding:n_gram",
    "mixture-weights": "sonde.verify.decoding:mixture_weights",
    "beam-search": "sonde.verify.decoding:beam_search",
    "bleu": "sonde.verify.decoding:bleu",
    "skip-gram": "sonde.verify.words:skip_gram",
    "cbow": "sonde.verify.words:cbow",
    "word-draws": "sonde.verify.words:word_draws",
    "softmax": "sonde.verify.training:softmax",
    "sgd": "sonde.verify.training:sgd",
    "momentum": "sonde.verify.training:momentum",
    "nesterov": "sonde.verify.training:nesterov",
    "adam": "sonde.verify.training:adam",
    "adamw": "sonde.verify.training:adamw",
    "schedule": "sonde.verify.training:schedule",
    "softmax-regression-model": "sonde.verify.training:softmax_regression_model",
    "mlp-model": "sonde.verify.training:mlp_model",
    "lenet-model": "sonde.verify.training:lenet_model",
    "lenet-original-model": "sonde.verify.training:lenet_original_model",
    "gru-language-model": "sonde.verify.training:gru_language_model",
    "transformer-language-model": "sonde.verify.training:transformer_language_model",
    "sequence-to-sequence": "sonde.verify.translators:sequence_to_sequence",
}

# name → (module of sonde.scratch, module of the fast form to come).
WAITING: dict[str, tuple[str, str]] = {}


def twins(name: str) -> Pair:
    """The pair of a name. UsageError for an unknown one, with the nearest."""
    if name not in PAIRS:
        raise UsageError(f"there is no pair {name!r}", where="sonde verify", remedy=did_you_mean(name, PAIRS))
    module, _, function = PAIRS[name].partition(":")
    built: Pair = getattr(importlib.import_module(module), function)()
    return built


def prove(names: tuple[str, ...] = ()) -> Iterator[Verdict]:
    """Judge these pairs, or all, one after the other."""
    from sonde.verify.pair import judge

    chosen = [(name, twins(name)) for name in names or PAIRS]
    for name, both in chosen:
        yield judge(name, both)
