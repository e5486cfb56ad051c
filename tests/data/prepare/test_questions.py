"""Windows over paragraphs, targets in them, and answers put together from them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from sonde import recipe
from sonde.data.contents import Examples
from sonde.data.prepare.bert import BertPreparation
from sonde.data.prepare.encode import encode_examples
from sonde.data.prepare.questions import answers, fit_questions, windows
from sonde.data.prepare.target import Target
from sonde.data.split import Selection
from sonde.errors import DataError, RecipeError
from sonde.ops.spans import best_span

LONG = " ".join(f"w{number}" for number in range(40)) + ". Zoë  sailed to Ōslo!"
ROWS = [
    ("q1", "Who sailed?", "Zoë sailed to Ōslo 🌊.", ["Zoë"], [0]),
    ("q2", "Where to?", "Zoë sailed to Ōslo 🌊.", ["Ōslo", "to Ōslo"], [14, 11]),
    ("q3", "Where to did she sail in the end of this long text?", LONG, ["Ōslo"], [LONG.index("Ōslo")]),
    ("q4", "Why?", LONG, [], []),
]
SCHEMA = {"id": pl.String, "question": pl.String, "context": pl.String, "answers": pl.List(pl.String), "starts": pl.List(pl.Int64)}


@pytest.fixture
def examples() -> Examples:
    return Examples(pl.DataFrame(ROWS, schema=SCHEMA, orient="row"))


def prepared(examples: Examples, length: int = 24, stride: int = 5) -> BertPreparation:
    data = recipe.Data(length=length, vocabulary=120, floor=1)
    return fit_questions(Selection(examples, np.arange(len(examples))), data, {"stride": stride}, pieces=None)


def test_windows_begin_a_stride_after_each_other_and_hold_all_pieces(examples: Examples) -> None:
    prep = prepared(examples)
    tokens, lengths, targets, found, problems = windows(prep, examples, targets=True)
    assert not problems
    assert targets is not None
    separator = prep.pieces.separator
    for number, (_, question, context, *_) in enumerate(ROWS):
        asked = prep.pieces.encode([question])[0].tolist()[: (24 - 3) // 2]
        whole = prep.pieces.encode([context])[0].tolist()
        read = set()
        for row in np.flatnonzero(found.question.numpy() == number):
            real = tokens[row, : lengths[row]].tolist()
            assert not tokens[row, lengths[row] :].any()
            head = len(asked) + 2
            assert real[:head] == [prep.pieces.begin, *asked, separator]
            assert real[-1] == separator
            first = head + int(found.shift[row])
            assert first % prep.stride == 0
            assert real[head:-1] == whole[first : first + len(real) - head - 1]
            read |= set(range(first, first + len(real) - head - 1))
        assert read == set(range(len(whole)))


def test_right_places_give_the_answer_back_letter_for_letter(examples: Examples) -> None:
    prep = prepared(examples)
    _, _, targets, found, _ = windows(prep, examples, targets=True)
    assert targets is not None
    holds = targets[:, 0] > 0
    assert set(found.question.numpy()[holds].tolist()) == {0, 1, 2}
    assert len(found.question) > 2 + 8  # of the long paragraph most windows lack the answer
    score = torch.where(torch.from_numpy(holds), 2.0, 1.0)
    predictions = torch.stack([score, *torch.from_numpy(targets).T.clamp(min=5).float(), torch.zeros(len(score)), torch.full_like(score, 0.5)], 1)
    questions, made = answers(prep, examples, found, torch.arange(len(score)), predictions, none=True)
    assert questions.tolist() == [0, 1, 2, 3]
    assert made.texts[:3] == ["Zoë", "Ōslo", "Ōslo"]
    assert made.starts[:3] == [0, 14, LONG.index("Ōslo")]


def test_no_answer_wins_where_its_least_score_does(examples: Examples) -> None:
    prep = prepared(examples)
    _, _, _, found, _ = windows(prep, examples, targets=False)
    count = len(found.question)
    predictions = torch.tensor([[1.0, 8, 9, 3, 0.1]]).repeat(count, 1)
    index = torch.arange(count)
    assert answers(prep, examples, found, index, predictions, none=True)[1].texts == [""] * 4
    assert all(answers(prep, examples, found, index, predictions, none=False)[1].texts)
    predictions[found.question.tolist().index(3), 3] = 0.5  # one window of the last question denies it
    made = answers(prep, examples, found, index, predictions, none=True)[1]
    assert made.texts[:3] == [""] * 3
    assert made.texts[3]
    assert made.starts == [-1, -1, -1, LONG.index(made.texts[3])]


def test_rows_of_the_file_are_several_windows(examples: Examples) -> None:
    encoded = encode_examples(prepared(examples), Target({"kind": "span", "columns": ["answers"]}), examples)
    of = encoded.columns.windows
    assert of is not None
    assert encoded.numbers(np.array([1, 3])).tolist() == torch.isin(of.question, torch.tensor([1, 3])).nonzero()[:, 0].tolist()


def test_what_has_no_piece_is_a_problem() -> None:
    rows = [("a", "b?", "\u200d\x07", None, None), ("c", "d?", "e \x07 f", ["\x07"], [2])]
    given = Examples(pl.DataFrame(rows, schema=SCHEMA, orient="row"))
    with pytest.raises(DataError, match=r"(?s)'c': the answer at offset 2 has no letter that is read.*'a': the paragraph has no word"):
        encode_examples(prepared(given), Target({"kind": "span", "columns": ["answers"]}), given)


def test_a_stride_that_would_leave_pieces_out_is_refused(examples: Examples) -> None:
    with pytest.raises(RecipeError, match=r"task.stride: windows of 24 pieces"):
        prepared(examples, stride=20)


def test_best_span_is_the_best_of_all_allowed() -> None:
    torch.manual_seed(2)
    first, last = torch.randn(2, 20, 9).unbind()
    score, begin, end = best_span(first, last, most=3)
    for row in range(20):
        allowed = [(float(first[row, i] + last[row, j]), i, j) for i in range(9) for j in range(i, min(i + 3, 9))]
        assert (float(score[row]), int(begin[row]), int(end[row])) == max(allowed)
