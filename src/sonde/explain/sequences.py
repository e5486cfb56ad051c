"""Inside a model of text: what it writes, how each token surprised it, where it looked, which tokens it holds alike."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from sonde.data.prepare.tokenizers import PAD, SPECIALS, Tokenizer, from_json
from sonde.explain.held_out import part_of
from sonde.nn.attention import attention_of
from sonde.nn.sequence import language_model, network_of, translator
from sonde.ops.losses import NO_TARGET
from sonde.run import PartData, Run
from sonde.writing import Manner, continued, searched, translated, whole

FORETOLD: Final = 120  # held-out tokens whose probabilities are shown
PROMPT, WRITTEN = 40, 160  # tokens of a held-out prompt, and tokens that are written after it
LOOKED: Final = 24  # tokens of an attention map, a side
MAPS: Final = 16
POINTS: Final = 120  # tokens on the map of embeddings
TRANSLATED: Final = 8
BEAM, STEPS = 4, 12


def sequences(run: Run) -> dict[str, Any]:
    """What can be shown of a run that reads text; nothing of others."""
    task = run.description["task"]["name"]
    network = network_of(run.model)
    if task == "language-modelling":
        found = _language(run, network)
    elif task == "translation":
        found = _translation(run, network)
    else:
        found = {}
    return found | embedding(network, run.preparation.tokenizer)


def embedding(network: nn.Module, tokenizer: Tokenizer) -> dict[str, Any]:
    """`embedding`: the first tokens of the vocabulary in the plane of their two principal components, and neighbours by cosine."""
    table = getattr(network, "embedding", None)
    if not isinstance(table, nn.Embedding) or table.weight.shape[0] < len(tokenizer.pieces):
        return {}
    known = slice(len(SPECIALS), min(len(tokenizer.pieces), len(SPECIALS) + POINTS))
    vectors = table.weight.detach()[: len(tokenizer.pieces)].double().cpu()
    few = vectors[known]
    if len(few) < 3:
        return {}
    centred = few - few.mean(0)
    u, s, v = torch.linalg.svd(centred, full_matrices=False)
    # The sign of a component is free: the largest entry is made positive, so that the same run gives the same picture.
    sign = v[:2].gather(1, v[:2].abs().argmax(1, keepdim=True)).sign()[:, 0]
    places = (u[:, :2] * s[:2] * sign).tolist()
    share = float((s[:2] ** 2).sum() / (s**2).sum().clamp(min=1e-30))
    pieces = list(tokenizer.pieces[known])
    points = [{"token": piece, "x": x, "y": y} for piece, (x, y) in zip(pieces, places, strict=True)]
    return {"embedding": {"points": points, "share": share, "neighbours": _neighbours(vectors, tokenizer)}}


def _neighbours(vectors: Tensor, tokenizer: Tokenizer, *, words: int = 12, near: int = 5) -> list[dict[str, Any]]:
    """The nearest tokens, by the cosine of the angle, of the first words of the vocabulary."""
    chosen = [number for number, piece in enumerate(tokenizer.pieces) if number >= len(SPECIALS) and len(piece.strip()) > 2 and piece.strip().isalpha()]
    if len(tokenizer.pieces) < 100 or not chosen:
        return []
    unit = nn.functional.normalize(vectors, dim=1)
    chosen = chosen[:words]
    cosine = unit[chosen] @ unit.T
    cosine[:, : len(SPECIALS)] = -2
    cosine[torch.arange(len(chosen)), chosen] = -2
    best = cosine.topk(near, 1)
    return [
        {"token": tokenizer.pieces[number], "near": [[tokenizer.pieces[i], value] for i, value in zip(places, values, strict=True)]}
        for number, places, values in zip(chosen, best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def _language(run: Run, network: nn.Module) -> dict[str, Any]:
    data = _held_out(run)
    if data is None or len(data.index) < 3:
        return {}
    tokenizer: Tokenizer = run.preparation.tokenizer
    text = data.columns.inputs[0][torch.from_numpy(data.index[: FORETOLD + 1])].long().to(run.device)
    if getattr(network, "bidirectional", False):
        return {}
    with torch.no_grad():
        p = language_model(run.model).advance(text[None, :-1], None)[0][0].float().softmax(-1).cpu()
    likeliest = p.topk(min(3, p.shape[1]), 1)
    told = [
        {
            "token": tokenizer.pieces[token],
            "p": float(p[step, token]),
            "next": [[tokenizer.pieces[i], value] for i, value in zip(likeliest.indices[step].tolist(), likeliest.values[step].tolist(), strict=True)],
        }
        for step, token in enumerate(text[1:].tolist())
    ]
    prompt = tokenizer.decode(text[:PROMPT].tolist())
    written = {
        "prompt": prompt,
        "likeliest": whole(continued(run, prompt, Manner(length=WRITTEN))),
        "drawn": whole(continued(run, prompt, Manner(length=WRITTEN, temperature=0.8))),
    }
    found: dict[str, Any] = {"foretold": told, "written": written}
    few = text[None, :LOOKED]
    with torch.no_grad(), attention_of(network) as seen:
        language_model(run.model).advance(few, None)
    names = [tokenizer.pieces[token] for token in few[0].tolist()]
    return found | _maps(seen, names, names)


def _translation(run: Run, network: nn.Module) -> dict[str, Any]:
    data = _held_out(run)
    if data is None or not len(data.index):
        return {}
    rows = data.index[np.linspace(0, len(data.index) - 1, min(TRANSLATED, len(data.index))).astype(int)]
    sources = data.examples.frame["source"][rows].to_list()
    references = data.examples.frame["target"][rows].to_list()
    answers = translated(run, sources, Manner(length=run.target.values["length"] + 1, beam=BEAM))
    shown = [{"source": source, "reference": truth, "answer": answer} for source, truth, answer in zip(sources, references, answers, strict=True)]
    found: dict[str, Any] = {"translations": shown}
    middle = int(rows[len(rows) // 2])
    text = data.examples.frame["source"][middle]
    target = from_json(run.target.values["tokenizer"])
    beams = searched(run, text, Manner(length=STEPS, beam=BEAM))[1]
    found["beam"] = {"source": text, "steps": _tree(beams.parents[:, 0], beams.chosen[:, 0], target), "kept": _path(beams.tokens[0, 0])}
    inputs = tuple(tensor[middle : middle + 1].long().to(run.device) for tensor in data.columns.inputs)
    assert data.columns.targets is not None
    wanted = data.columns.targets[middle]
    said = wanted[wanted != NO_TARGET].to(run.device)[None]
    network = network_of(run.model)
    model = translator(run.model)
    length = int(inputs[1][0])
    with torch.no_grad(), attention_of(network) as seen:
        model.advance(torch.cat([torch.full_like(said[:, :1], 2), said[:, :-1]], 1), model.encode(inputs[0][:, :length], inputs[1]))
    source = [run.preparation.tokenizer.pieces[token] for token in inputs[0][0, :length].tolist()]
    return found | _maps(seen, [target.pieces[token] for token in said[0].tolist()], source)


def _maps(seen: dict[str, Tensor], rows: list[str], columns: list[str]) -> dict[str, Any]:
    """`attention`: the maps that go from `rows` to `columns`, layer by layer and head by head; maps of other shapes are another layer's."""
    maps = []
    for name, weights in seen.items():
        heads = weights[0] if weights.dim() == 4 else weights[0][None]
        if heads.shape[1:] != (len(rows), len(columns)):
            continue
        maps += [{"layer": name, "head": head, "weights": values.round(decimals=3).tolist()} for head, values in enumerate(heads.float().cpu())]
    if not maps:
        return {}
    return {"attention": {"rows": rows[:LOOKED], "columns": columns[:LOOKED], "maps": [_cut(each) for each in maps[-MAPS:]]}}


def _cut(each: dict[str, Any]) -> dict[str, Any]:
    return each | {"weights": [row[:LOOKED] for row in each["weights"][:LOOKED]]}


def _tree(parents: Tensor, chosen: Tensor, tokenizer: Tokenizer) -> list[list[dict[str, Any]]]:
    """Step by step the prefixes that were kept: the beam of the step before that each goes on from, and its token."""
    return [
        [{"parent": parent, "token": tokenizer.pieces[token]} if token >= 0 else {} for parent, token in zip(*pair, strict=True)]
        for pair in zip(parents.tolist(), chosen.tolist(), strict=True)
    ]


def _path(tokens: Tensor) -> list[int]:
    return [token for token in tokens.tolist() if token != PAD]


def _held_out(run: Run) -> PartData | None:
    return part_of(run, "test") or part_of(run, "validation")
