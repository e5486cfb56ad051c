"""Rows for pre-training: what is drawn holds statistically, and depends on (seed, epoch, example) alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from sonde import recipe
from sonde.data.batch import NO_TARGET
from sonde.data.contents import Content, Examples
from sonde.data.documents import as_documents, sentences_of
from sonde.data.feed import feed
from sonde.data.masking import FOLLOWS, MaskedBatches
from sonde.data.open import open_data
from sonde.data.prepare.bert import BertPreparation, fit_bert
from sonde.data.prepare.columns import Columns
from sonde.data.prepare.encode import encode_examples
from sonde.data.prepare.masked import Masking
from sonde.data.prepare.passages import stretches
from sonde.data.prepare.target import Target
from sonde.data.split import Selection
from sonde.errors import DataError, RecipeError

LENGTH, DOCUMENTS = 32, 200
WORDS = ["river", "stone", "light", "unbelievable", "walking", "quickly", "night", "carried", "seven", "houses", "remembering"]


@pytest.fixture(scope="module")
def examples() -> Examples:
    """Documents of 1 to 12 sentences of 3 to 9 words."""
    draw = np.random.default_rng(4)
    texts = []
    for document in range(DOCUMENTS):
        sentences = [" ".join([*draw.choice(WORDS, draw.integers(3, 10)), f"d{document}"]) + "." for _ in range(draw.integers(1, 13))]
        texts.append("\n".join(sentences))
    return Examples(pl.DataFrame({"text": texts}))


def prepared(examples: Examples, masking: Masking, most: int = 60) -> tuple[BertPreparation, Columns, np.ndarray]:
    part = Selection(examples, np.arange(len(examples)))
    prep = fit_bert(part, recipe.Data(length=LENGTH, vocabulary=most), columns=("text",), masking=masking)
    encoded = encode_examples(prep, Target({"kind": "tokens", "columns": []}), examples)
    return prep, encoded.columns, encoded.numbers(part.index)


def batches(columns: Columns, index: np.ndarray, **given: object) -> MaskedBatches:
    made = feed(columns, index, **{"batch_size": 64, "device": "cpu", "seed": 3, "shuffle": True, **given})  # type: ignore[arg-type]
    assert isinstance(made, MaskedBatches)
    return made


def rows(made: MaskedBatches, epoch: int = 1, start: int = 0) -> dict[int, tuple[list[int], list[int]]]:
    """Example → its tokens and targets, without padding."""
    found = {}
    for pieces in made.epoch(epoch, start):
        for batch in pieces:
            assert batch.targets is not None
            for number, tokens, length, targets in zip(batch.index.tolist(), batch.inputs[0], batch.inputs[1].tolist(), batch.targets, strict=True):
                assert number not in found
                assert not tokens[length:].any()
                assert (targets[length:] == NO_TARGET).all()
                found[number] = tokens[:length].tolist(), targets[:length].tolist()
    return found


def within(count: float, total: float, share: float) -> bool:
    """Whether a binomial count lies within four and a half standard deviations, which one draw of 150,000 does not."""
    return abs(count - total * share) <= 4.5 * (total * share * (1 - share)) ** 0.5


def test_shares_hold(examples: Examples) -> None:
    prep, columns, index = prepared(examples, Masking())
    chosen = masked = kept = changed = text = follows = pairs = 0
    for epoch in range(6):
        for (batch,) in batches(columns, index).epoch(epoch):
            (tokens, lengths), targets = batch.inputs, batch.targets
            assert targets is not None
            there = targets[:, 1:] != NO_TARGET
            read, right = tokens[:, 1:][there], targets[:, 1:][there]
            text += int((lengths - 3).sum())
            chosen += len(right)
            masked += int((read == prep.pieces.mask).sum())
            kept += int((read == right).sum())
            changed += int(((read != right) & (read != prep.pieces.mask)).sum())
            follows += int((targets[:, 0] == FOLLOWS).sum())
            pairs += len(tokens)
            assert batch.counts == {"examples": len(tokens), "masked": len(right), "pairs": len(tokens)}
    assert chosen > 10_000
    assert within(chosen, text, 0.15)
    assert within(masked, chosen, 0.8)
    ordinary = len(prep.pieces.vocabulary) - 5
    assert within(kept, chosen, 0.1 + 0.1 / ordinary)  # another piece may be the same
    assert within(changed, chosen, 0.1 * (1 - 1 / ordinary))
    assert within(follows, pairs, 0.5)


def test_random_pieces_are_uniform_over_the_vocabulary(examples: Examples) -> None:
    prep, columns, index = prepared(examples, Masking(share=0.9))
    counts = torch.zeros(len(prep.pieces.vocabulary))
    for epoch in range(6):
        for (batch,) in batches(columns, index).epoch(epoch):
            assert batch.targets is not None
            there = (batch.targets != NO_TARGET) & (batch.inputs[0] != prep.pieces.mask) & (batch.inputs[0] != batch.targets)
            there[:, 0] = False
            counts += torch.bincount(batch.inputs[0][there], minlength=len(counts))
    assert not counts[:5].any()  # no specials
    found = counts[5:]
    expected = found.sum() / len(found)
    statistic = float(((found - expected).square() / expected).sum())
    freedom = len(found) - 1
    # The right piece is left out here, so that frequent ones are drawn less by a few parts in a hundred at most.
    assert abs(statistic - freedom) < 6 * (2 * freedom) ** 0.5


def test_a_second_text_follows_or_is_of_another_document(examples: Examples) -> None:
    prep, columns, index = prepared(examples, Masking(share=1e-9))
    wholes = [prep.pieces.decode(prep.pieces.encode([text.replace("\n", " ")])[0].tolist()) for text in examples.frame["text"]]
    documents = columns.passages.document  # type: ignore[union-attr]
    follows = 0
    for number, (tokens, targets) in rows(batches(columns, index)).items():
        end = tokens.index(prep.pieces.separator)
        first, second = prep.pieces.decode(tokens[1:end]), prep.pieces.decode(tokens[end + 1 : -1])
        assert tokens[0] == prep.pieces.begin
        assert tokens[-1] == prep.pieces.separator
        assert first
        assert second
        assert first in wholes[int(documents[number])]
        real = any(f"{first} {second}" in whole for whole in wholes)
        if targets[0] == FOLLOWS:
            follows += 1
            # What is longer than the row is cut at the end of the longer text.
            assert real or (len(tokens) == LENGTH and first in wholes[int(documents[number])])
        else:
            assert not real or f"{first} {second}" not in wholes[int(documents[number])]
    assert follows


def test_rows_are_the_same_however_they_are_cut(examples: Examples) -> None:
    _, columns, index = prepared(examples, Masking())
    whole = rows(batches(columns, index))
    assert sorted(whole) == index.tolist()
    assert rows(batches(columns, index, batch_size=17)) == whole
    assert rows(batches(columns, index, accumulate=3)) == whole
    shared = [rows(batches(columns, index, world_size=3, rank=rank)) for rank in range(3)]
    assert sum(map(len, shared)) == len(whole)
    assert shared[0] | shared[1] | shared[2] == whole


def test_going_on_gives_what_the_whole_epoch_gave(examples: Examples) -> None:
    _, columns, index = prepared(examples, Masking())
    made = batches(columns, index, batch_size=16)
    steps, later = list(made.epoch(2)), list(made.epoch(2, 3))
    assert len(steps) == made.steps
    assert len(later) == len(steps) - 3
    for (one,), (other,) in zip(steps[3:], later, strict=True):
        assert torch.equal(one.inputs[0], other.inputs[0])
        assert torch.equal(one.targets, other.targets)  # type: ignore[arg-type]


def test_each_epoch_draws_anew(examples: Examples) -> None:
    _, columns, index = prepared(examples, Masking())
    one, other = rows(batches(columns, index), 0), rows(batches(columns, index), 1)
    assert sum(one[number] != other[number] for number in one) > 0.95 * len(one)
    assert rows(batches(columns, index, seed=4), 0) != one


def test_whole_words_are_masked_or_not(examples: Examples) -> None:
    prep, columns, index = prepared(examples, Masking(whole_words=True), most=45)
    inside = {number for number, piece in enumerate(prep.pieces.vocabulary) if piece.startswith("##")}
    chosen = text = longer = 0
    for epoch in range(8):
        for tokens, targets in rows(batches(columns, index), epoch).values():
            right = [token if target == NO_TARGET else target for token, target in zip(tokens, targets, strict=True)]
            for place in range(2, len(tokens) - 1):
                if right[place] in inside and right[place - 1] != prep.pieces.separator:
                    longer += 1
                    assert (targets[place] == NO_TARGET) == (targets[place - 1] == NO_TARGET)
            chosen += sum(target != NO_TARGET for target in targets[1:])
            text += len(tokens) - 3
    assert longer > 1000
    assert chosen / text == pytest.approx(0.15, abs=0.015)  # words, and with them their pieces


def test_one_text_a_row(examples: Examples) -> None:
    prep, columns, index = prepared(examples, Masking(pairs=False))
    for (batch,) in batches(columns, index).epoch(0):
        assert batch.targets is not None
        assert (batch.targets[:, 0] == NO_TARGET).all()
        assert ((batch.inputs[0] == prep.pieces.separator).sum(1) == 1).all()
        assert batch.counts["pairs"] == 0


def test_a_single_document_has_nothing_to_stand_beside_it() -> None:
    alone = Examples(pl.DataFrame({"text": ["one two.\nthree four.\nfive six."]}))
    _, columns, index = prepared(alone, Masking())
    with pytest.raises(DataError, match=r"(?s)is one document.*next_sentence=false"):
        batches(columns, index)


def test_stretches_hold_whole_sentences() -> None:
    counts, sentences = np.array([3, 4, 2, 9, 1, 1, 5]), np.array([4, 1, 2])
    first, stop, document = stretches(counts, sentences, room=7, least=2)
    assert list(zip(first.tolist(), stop.tolist(), document.tolist(), strict=True)) == [(0, 2, 0), (2, 4, 0), (5, 7, 2)]
    first, stop, document = stretches(counts, sentences, room=9, least=2)  # the last sentence is not left alone
    assert list(zip(first.tolist(), stop.tolist(), document.tolist(), strict=True)) == [(0, 3, 0), (2, 4, 0), (5, 7, 2)]
    first, stop, _ = stretches(counts, sentences, room=9, least=1)
    assert list(zip(first.tolist(), stop.tolist(), strict=True)) == [(0, 3), (3, 4), (4, 5), (5, 7)]


def test_documents_are_files_and_paragraphs(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One is here. Two is\nhere!\n\nThree asks? \"Four.\" Five.\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("Six goes on\nand on. Seven", encoding="utf-8")
    content = open_data(tmp_path, recipe.Data())
    texts = as_documents(content, {"document": 1}).examples
    assert texts.frame["text"].to_list() == ["One is here.\nTwo is here!", 'Three asks?\n"Four."\nFive.', "Six goes on and on.\nSeven"]
    assert texts.lines is not None
    assert texts.lines.tolist() == [1, 4, 1]
    joined = as_documents(content, {}).examples.frame["text"].to_list()  # paragraphs are joined, files are not
    assert joined == ['One is here.\nTwo is here!\nThree asks?\n"Four."\nFive.', "Six goes on and on.\nSeven"]


def test_lines_that_end_as_sentences_are_sentences(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Mr. A came.\nHe saw. He went.\n\nThe end.\n", encoding="utf-8")
    texts = as_documents(open_data(tmp_path / "a.txt", recipe.Data()), {"document": 1}).examples.frame["text"].to_list()
    assert texts == ["Mr. A came.\nHe saw. He went.", "The end."]


def test_a_file_without_blank_lines_is_cut(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"This is number {n}.\n" for n in range(10)), encoding="utf-8")
    texts = as_documents(open_data(tmp_path / "a.txt", recipe.Data()), {"document": 12}).examples
    assert [text.count("\n") + 1 for text in texts.frame["text"]] == [3, 3, 3, 1]
    assert texts.lines is not None
    assert texts.lines.tolist() == [1, 4, 7, 10]


def test_chinese_sentences_end_without_a_blank() -> None:
    assert sentences_of(["今天天气很好。我们去公园！", "好吗？好"]) == ["今天天气很好。", "我们去公园！", "好吗？", "好"]


def test_rows_of_a_table_are_documents() -> None:
    content = Content("text", "rows", "rows", "", {"all": Examples(pl.DataFrame({"text": ["A b. C d.", "E f."]}))}, "")
    assert as_documents(content, {}).examples.frame["text"].to_list() == ["A b.\nC d.", "E f."]


@pytest.mark.parametrize(
    ("options", "match"),
    [({"share": 0}, "task.share = 0"), ({"whole_words": 1}, "task.whole_words = 1"), ({"next_sentence": "no"}, "task.next_sentence")],
)
def test_options_are_checked(options: dict[str, object], match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        Masking.of_options(options)
