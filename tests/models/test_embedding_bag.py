"""A bag of embeddings: the mean by hand, padding changes nothing, pairs tell orders apart."""

from __future__ import annotations

import torch

from sonde.models.embedding_bag import Config, EmbeddingBag, build

CONFIG = Config(vocabulary=9, outputs=3, width=4, buckets=64, dropout=0.0)


def network(config: Config = CONFIG) -> EmbeddingBag:
    torch.manual_seed(0)
    return build(config).double().eval()


def test_the_mean_of_words_and_pairs_by_hand() -> None:
    model, tokens = network(), torch.tensor([[5, 6, 7]])
    assert model.pairs is not None
    bucket = [(a * 0x9E3779B1 + b * 0x85EBCA77) % 64 for a, b in ((5, 6), (6, 7))]
    vectors = torch.cat([model.words.weight[tokens[0]], model.pairs.weight[bucket]])
    expected = model.output(vectors.mean(0))
    assert torch.allclose(model(tokens, torch.tensor([3]))[0], expected)


def test_words_alone() -> None:
    model = network(Config(vocabulary=9, outputs=2, width=4, buckets=0))
    expected = model.output(model.words.weight[[4, 8]].mean(0))
    assert torch.allclose(model(torch.tensor([[4, 8, 0]]), torch.tensor([2]))[0], expected)


def test_padding_changes_nothing() -> None:
    model, lengths = network(), torch.tensor([2, 1])
    short = torch.tensor([[5, 6], [7, 0]])
    wide = torch.tensor([[5, 6, 0, 0, 3], [7, 0, 0, 8, 8]])
    assert torch.allclose(model(short, lengths), model(wide, lengths), rtol=0, atol=1e-15)
    assert torch.allclose(model(short[1:, :1], lengths[1:]), model(wide[1:], lengths[1:]), rtol=0, atol=1e-15)


def test_order_counts_only_with_pairs() -> None:
    one, other, lengths = torch.tensor([[5, 6, 7]]), torch.tensor([[7, 6, 5]]), torch.tensor([3])
    assert not torch.allclose(network()(one, lengths), network()(other, lengths))
    words = network(Config(vocabulary=9, outputs=3, width=4, buckets=0))
    assert torch.allclose(words(one, lengths), words(other, lengths))
