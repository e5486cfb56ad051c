"""BERT: the published sizes, names and numbers; padding, segments and heads; folders of weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from sonde import models
from sonde.errors import RecipeError
from sonde.models.bert import VARIANTS, BertNetwork, Config, build, described, published, segments_of

SMALL = Config(vocabulary=60, outputs=5, length=40, width=24, layers=2, heads=4, hidden=48, separator=7)
HEADS = {
    "sequence": "BertForSequenceClassification",
    "token": "BertForTokenClassification",
    "span": "BertForQuestionAnswering",
    "masked": "BertForPreTraining",
}


def network(**changes: Any) -> BertNetwork:
    torch.manual_seed(0)
    return build(dataclasses.replace(SMALL, **changes)).eval()


def batch() -> tuple[Tensor, Tensor]:
    """Pairs of texts: separators at places 5 and 11, the second row cut at 9."""
    tokens = torch.randint(8, 60, (3, 12), generator=torch.Generator().manual_seed(1))
    tokens[:, 5] = tokens[:, 11] = 7
    lengths = torch.tensor([12, 9, 12])
    tokens[1, 9:] = 0
    return tokens, lengths


@pytest.mark.parametrize(("name", "parameters"), [("bert-base", 109_482_240), ("bert-large", 335_141_888), ("bert-tiny", 4_385_920)])
def test_published_sizes(name: str, parameters: int) -> None:
    """Devlin et al. 2018, section 3: 110 M and 340 M with the pooler, at the 30,522 pieces of the uncased vocabulary."""
    with torch.device("meta"):
        body = build(dataclasses.replace(VARIANTS[name], vocabulary=30_522, outputs=2)).bert
    assert sum(p.numel() for p in body.parameters()) == parameters


def test_segments_end_with_the_first_separator() -> None:
    assert segments_of(torch.tensor([[1, 4, 7, 5, 7, 0], [1, 4, 4, 7, 0, 0]]), 7).tolist() == [[0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1]]


@pytest.mark.parametrize("per", HEADS)
def test_padding_changes_nothing(per: str) -> None:
    tokens, lengths = batch()
    model = network(per=per)
    wide = torch.cat([tokens, torch.full((3, 4), 9)], 1)
    narrow, padded = model(tokens, lengths), model(wide, lengths)
    if per != "sequence":
        real = torch.arange(12) < lengths[:, None]
        narrow, padded = narrow[real], padded[:, :12][real]
    torch.testing.assert_close(narrow, padded)


def test_words_are_told_by_their_first_pieces() -> None:
    tokens, lengths = batch()
    model, words = network(per="token"), torch.tensor([[1, 4, 5], [2, 0, 0], [1, 2, 3]])
    found, all_of_them = model(tokens, lengths, words), model(tokens, lengths)
    assert torch.equal(found[0], all_of_them[0, [1, 4, 5]])
    assert torch.equal(found[1, 0], all_of_them[1, 2])


def test_masked_places_alone_give_the_same_logits() -> None:
    tokens, lengths = batch()
    model, places = network(per="masked"), torch.tensor([1, 2, 14, 30])
    words, follows = model.pretraining(tokens, lengths, places)
    torch.testing.assert_close(words, model(tokens, lengths).flatten(0, 1)[places])
    assert follows.shape == (3, 2)


def test_the_vocabulary_s_matrix_is_the_embedding_s() -> None:
    model = network(per="masked")
    tokens, lengths = batch()
    model(tokens, lengths).sum().backward()
    assert not any("decoder" in name for name in model.state_dict())
    assert model.bert.embeddings.word_embeddings.weight.grad is not None


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"a text of 41 tokens is longer than the 40 places that this BERT knows"):
        network()(torch.ones(1, 41, dtype=torch.long))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(RecipeError, match="24 cannot be cut into 5 heads"):
        network(heads=5)


def test_no_pooler_where_tokens_are_told() -> None:
    model = network(per="token")
    assert not any("pooler" in name for name in model.state_dict())
    with pytest.raises(RecipeError, match="has no pooler"):
        model.pooled(torch.zeros(1, 3, 24))


def test_old_names_and_bodies_alone_are_understood() -> None:
    model = network()
    body = {name.removeprefix("bert."): value for name, value in model.state_dict().items() if name.startswith("bert.")}
    old = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value for name, value in body.items()}
    old |= {"embeddings.position_ids": torch.arange(40), "cls.predictions.decoder.weight": torch.zeros(60, 24)}
    found = published(old)
    assert set(found) == {name for name in model.state_dict() if name.startswith("bert.")}


def test_config_json() -> None:
    known = {"model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    assert described(known) == ("bert-base", {"width": 384, "layers": 6, "heads": 12, "hidden": 1536})
    assert described(known | {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}) is not None
    assert described({"model_type": "roberta"}) is None
    with pytest.raises(RecipeError, match=r"this BERT has hidden_act = 'relu', and Sonde's has 'gelu'"):
        described(known | {"hidden_act": "relu"})


@pytest.mark.parametrize("per", HEADS)
def test_equal_to_transformers(per: str) -> None:
    """Outputs to 1e-5 and gradients to 1e-4, by an implementation that shares no code with this one."""
    library = pytest.importorskip("transformers")
    labels = 2 if per == "span" else 5
    settings = library.BertConfig(
        vocab_size=60, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, max_position_embeddings=40, num_labels=labels
    )
    torch.manual_seed(3)
    theirs = getattr(library, HEADS[per])(settings).eval()
    model = network(per=per)
    named = published(theirs.state_dict())
    assert set(named) == set(model.state_dict())
    model.load_state_dict(named)
    tokens, lengths = batch()
    real = torch.arange(12) < lengths[:, None]
    out = theirs(input_ids=tokens, attention_mask=real.long(), token_type_ids=segments_of(tokens, 7))
    mine = model(tokens, lengths)
    if per == "span":
        right = torch.stack([out.start_logits, out.end_logits], -1)
    else:
        right = out.prediction_logits if per == "masked" else out.logits
    if per != "sequence":
        right, mine = right[real], mine[real]
    torch.testing.assert_close(mine, right, rtol=0, atol=1e-5)
    loss, same = mine.square().sum(), right.square().sum()
    if per == "masked":
        follows = model.pretraining(tokens, lengths, torch.tensor([0]))[1]
        torch.testing.assert_close(follows, out.seq_relationship_logits, rtol=0, atol=1e-5)
        loss, same = loss + follows.square().sum(), same + out.seq_relationship_logits.square().sum()
    loss.backward()
    same.backward()
    gradients = {name: p.grad for name, p in theirs.named_parameters() if p.grad is not None}
    for name, gradient in published(gradients).items():
        torch.testing.assert_close(dict(model.named_parameters())[name].grad, gradient, rtol=1e-4, atol=1e-4)


def test_variants_are_listed() -> None:
    assert [name for name in models.MODELS if name.startswith("bert-")] == list(VARIANTS)
