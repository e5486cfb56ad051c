"""The Transformer that foretells and the one that reads: causality, the context that is kept, padding, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sonde import models
from sonde.errors import RecipeError
from sonde.nn.attention import attention_of
from sonde.ops.decode import reordered

VOCABULARY = 7
FORMS: list[dict[str, Any]] = [
    {"positions": "rotary"},
    {"positions": "sinusoidal", "norm": "post"},
    {"positions": "learned", "tied": True, "layers": 1},
]
EACH = pytest.mark.parametrize("form", FORMS, ids=[form["positions"] for form in FORMS])


def decoder(form: dict[str, Any], *, length: int = 8) -> Any:
    torch.manual_seed(0)
    sizes = {"vocabulary": VOCABULARY, "outputs": VOCABULARY, "length": length, "width": 8, "heads": 2, "layers": 2, "dropout": 0.0}
    return models.build("transformer-decoder", sizes | form).double().eval()


def text(steps: int) -> torch.Tensor:
    return torch.randint(VOCABULARY, (2, steps), generator=torch.Generator().manual_seed(1))


@EACH
def test_an_output_does_not_depend_on_later_tokens(form: dict[str, Any]) -> None:
    model, tokens = decoder(form), text(8)
    expected, _ = model.advance(tokens, None)
    changed = tokens.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % VOCABULARY
    torch.testing.assert_close(model.advance(changed, None)[0][:, :5], expected[:, :5], rtol=0, atol=1e-14)
    torch.testing.assert_close(model.train().advance(tokens, None)[0], expected, rtol=1e-12, atol=1e-12)
    assert model.advance(tokens, None)[1] is None


@EACH
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.inference_mode])
@pytest.mark.parametrize("cuts", [(1,) * 30, (8, 8, 8, 6), (3, 20, 7), (30,)])
def test_a_text_may_be_cut_anywhere(form: dict[str, Any], cuts: tuple[int, ...], mode: type) -> None:
    with mode():
        cut_anywhere(decoder(form), text(30), cuts)


def cut_anywhere(model: Any, tokens: torch.Tensor, cuts: tuple[int, ...]) -> None:
    expected, last = model.advance(tokens, None)
    state, parts = None, []
    for piece in tokens.split(cuts, dim=1):
        logits, state = model.advance(piece, state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, dim=1), expected, rtol=1e-11, atol=1e-11)
    assert [part.tensor.shape for part in state] == [part.tensor.shape for part in last]
    assert state[0].length <= 8  # no more is looked back on
    order = torch.tensor([1, 1, 0])
    torch.testing.assert_close(model.advance(tokens[order, :1], reordered(state, order))[0], model.advance(tokens[:, :1], state)[0][order])


@EACH
def test_a_token_is_foretold_from_half_a_context_at_least(form: dict[str, Any]) -> None:
    model, tokens = decoder(form), text(30)
    expected, _ = model.advance(tokens, None)
    for place in (9, 17, 29):  # as if the text had begun where the context does
        begin = 4 * (place // 4 - 1)
        torch.testing.assert_close(model.advance(tokens[:, begin : place + 1], None)[0][:, -1], expected[:, place], rtol=1e-11, atol=1e-11)


def test_sentences_after_their_last_token_and_token_by_token() -> None:
    torch.manual_seed(0)
    tokens, lengths = text(6), torch.tensor([6, 3])
    sizes = {"vocabulary": VOCABULARY, "outputs": 3, "width": 8, "heads": 2, "layers": 1, "dropout": 0.0}
    whole = models.build("transformer-decoder", sizes | {"per": "sequence"}).double().eval()
    each = models.build("transformer-decoder", sizes | {"per": "token"}).double().eval()
    each.load_state_dict(whole.state_dict())
    torch.testing.assert_close(whole(tokens, lengths), torch.stack([each(tokens, lengths)[0, 5], each(tokens, lengths)[1, 2]]))
    torch.testing.assert_close(whole(tokens[1:, :3], lengths[1:]), whole(tokens, lengths)[1:])


def test_tied_weights_need_outputs_that_are_tokens() -> None:
    with pytest.raises(RecipeError, match=r"the outputs the tokens, and there are 3 and 7\n.*leave out model\.tied"):
        models.build("transformer-decoder", {"vocabulary": 7, "outputs": 3, "tied": True})


@pytest.mark.parametrize("per", ["sequence", "token"])
@EACH
def test_padding_changes_nothing_of_what_is_read(form: dict[str, Any], per: str) -> None:
    torch.manual_seed(0)
    sizes = {"vocabulary": VOCABULARY, "outputs": 3, "per": per, "width": 8, "heads": 2, "layers": 2, "dropout": 0.0, "length": 12}
    model = models.build("transformer-encoder", sizes | {key: value for key, value in form.items() if key != "tied"}).double().eval()
    tokens, lengths = text(6), torch.tensor([6, 2])
    expected = model(tokens, lengths)
    longer = model(torch.cat([tokens, text(3)], dim=1), lengths)
    alone = model(tokens[1:, :2], lengths[1:])
    if per == "sequence":
        torch.testing.assert_close(longer, expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(alone, expected[1:], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(model(tokens, torch.tensor([6, 6])), model(tokens), rtol=1e-12, atol=1e-12)
    else:
        torch.testing.assert_close(longer[1, :2], expected[1, :2], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(alone[0], expected[1, :2], rtol=1e-12, atol=1e-12)
    with attention_of(model) as seen:
        model(tokens, lengths)
    assert seen["blocks.0.self_attn"].shape == (2, 2, 6, 6)
    assert not seen["blocks.0.self_attn"][1, :, :, 2:].any()
