"""A run of the BERT family as a folder that the Transformers library loads, and Sonde too.

    config.json, model.safetensors                             the network, under the published names
    vocab.txt, tokenizer.json, tokenizer_config.json           the vocabulary

    transformers.AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    sonde train other.tsv --weights folder

Before the folder gets its name, its files are read back, and what they give for examples of the training part is compared with the run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from sonde import models
from sonde.data.prepare.target import labels_of
from sonde.data.prepare.tokenizers.bert import BEGIN, MASK, PADDING, SEPARATOR, UNKNOWN, BertPieces, of_folder
from sonde.errors import RunError
from sonde.export.check import TOLERANCE, examples_of, refuse_apart
from sonde.export.folder import Exported, size_of, written_whole
from sonde.models import weights
from sonde.models.bert import CONFIG, BertNetwork, described, published
from sonde.run import Run

# What a network gives → the class of the Transformers library that has this head.
CLASSES = {
    "sequence": "BertForSequenceClassification",
    "token": "BertForTokenClassification",
    "span": "BertForQuestionAnswering",
    "masked": "BertForPreTraining",
}

# What the Transformers library calls the kinds of targets. Numbers are the standardised ones that the network gives.
PROBLEMS = {"classes": "single_label_classification", "labels": "multi_label_classification", "numbers": "regression"}


def export(run: Run, folder: Path) -> Exported:
    """Write `run` to `folder`, which must not exist, be empty, or hold an earlier export (which is replaced).

    Raises RunError for a run of another family, and of a K-fold; as `written_whole` does; nothing half written is left.
    """
    if run.folds:
        remedy = f"export one of its folds: sonde export {run.folds[0].path} --to hub"
        raise RunError("a K-fold has no weights of its own", where=str(run.path), remedy=remedy)
    network = run.to("cpu").model.network
    if not isinstance(network, BertNetwork):
        name = run.description["model"]["name"]
        remedy = f"sonde export {run.path} --to numpy writes a folder that NumPy runs"
        raise RunError(f"only models of the BERT family have a form on the hub, and this is {name}", where=str(run.path), remedy=remedy)
    with written_whole(folder, lambda path: (path / "config.json").is_file() and (path / "vocab.txt").is_file()) as beside:
        _write(run, network, beside)
        inputs, _, said = examples_of(run)
        difference = _difference(beside, run, network, inputs)
        refuse_apart(difference, where=str(run.path))
    use = f"sonde train DATA --weights {folder}"
    return Exported(folder, size_of(folder), difference, len(inputs[0]), said, use)


def _write(run: Run, network: BertNetwork, folder: Path) -> None:
    tensors = {name: tensor.detach().float().contiguous() for name, tensor in network.state_dict().items()}
    safetensors.torch.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    pieces = run.preparation.tokenizer
    assert isinstance(pieces, BertPieces)
    _json(folder / "config.json", _config(run, network, pieces))
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces.vocabulary), encoding="utf-8")
    (folder / "tokenizer.json").write_text(pieces.published(), encoding="utf-8")
    specials = {"unk_token": UNKNOWN, "sep_token": SEPARATOR, "pad_token": PADDING, "cls_token": BEGIN, "mask_token": MASK}
    known = {"tokenizer_class": "BertTokenizer", "do_lower_case": pieces.lower, "model_max_length": run.preparation.length}
    _json(folder / "tokenizer_config.json", known | specials)


def _config(run: Run, network: BertNetwork, pieces: BertPieces) -> dict[str, Any]:
    values = run.description["model"]["config"]
    table = {key: values[name] for name, key in CONFIG.items()} | {
        "intermediate_size": values["hidden"] or 4 * values["width"],
        "vocab_size": len(pieces.vocabulary),
        "type_vocab_size": 2,
        "pad_token_id": 0,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "position_embedding_type": "absolute",
    }
    if network.per in ("sequence", "token"):
        labels = labels_of(run.target.values)
        table |= {"id2label": {str(number): label for number, label in enumerate(labels)}, "label2id": {label: number for number, label in enumerate(labels)}}
        table |= {"problem_type": PROBLEMS[run.target.values["kind"]]} if network.per == "sequence" else {}
    return {"model_type": "bert", "architectures": [CLASSES[network.per]], **table}


def _json(path: Path, table: dict[str, Any]) -> None:
    path.write_text(json.dumps(table, ensure_ascii=False, indent=2), encoding="utf-8")


@torch.no_grad()
def _difference(folder: Path, run: Run, network: BertNetwork, inputs: tuple[Tensor, ...]) -> float:
    """The largest difference between what the files and the run give, relative to the largest output."""
    known = described(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    assert known is not None
    assert of_folder(folder) == run.preparation.tokenizer
    config = run.description["model"]["config"] | known[1]
    again = models.build(known[0], config).eval()
    weights.fill(again, published(weights.read(folder / "model.safetensors")), where=str(folder))
    mine, theirs = network.eval()(*inputs), again(*inputs)
    return float((mine - theirs).abs().max() / mine.abs().max().clamp(min=TOLERANCE))
