"""The hooks of conftest.py do check: a wrong shape and a wrong type are found when a function is called."""

from __future__ import annotations

import pytest
import torch
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import TypeCheckError

from sonde.ops.boxes import area, iou
from sonde.report.html import tag


def test_a_wrong_shape_is_found() -> None:
    assert area(torch.ones(3, 4)).shape == (3,)
    with pytest.raises(TypeCheckError, match="boxes"):
        area(torch.ones(3, 5))
    with pytest.raises(TypeCheckError):
        iou(torch.ones(3, 4), torch.ones(3))


def test_a_wrong_type_is_found() -> None:
    assert str(tag("p", None, "text")) == "<p>text</p>"
    with pytest.raises(BeartypeCallHintViolation, match="name"):
        tag(3, None, "text")  # type: ignore[arg-type]
