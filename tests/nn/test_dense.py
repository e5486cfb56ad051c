"""A dense layer that predicts by other kernels: the same numbers, and PyTorch's own layer wherever somebody looks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from sonde.nn import dense
from sonde.nn.dense import ROWS, Dense


def both(bias: bool = True) -> tuple[Dense, nn.Linear]:
    torch.manual_seed(0)
    own, plain = Dense(24, 40, bias=bias), nn.Linear(24, 40, bias=bias)
    plain.load_state_dict(own.state_dict())
    return own, plain


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(ROWS, 24), (4, ROWS, 24), (1, 24), (0, 24), (24,)])
def test_equal_to_the_plain_layer(shape: tuple[int, ...], bias: bool) -> None:
    own, plain = both(bias)
    x = torch.randn(shape)
    for guard in (torch.no_grad(), torch.inference_mode(), torch.enable_grad()):
        with guard:
            torch.testing.assert_close(own(x), plain(x), rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        turned = torch.randn(24, ROWS).T
        torch.testing.assert_close(own(turned), plain(turned), rtol=1e-5, atol=1e-5)


def test_the_kernel_is_used_for_prediction_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    own, plain = both()
    x = torch.randn(ROWS, 24)
    own(x).sum().backward()
    assert own.weight.grad is not None
    with torch.no_grad():
        torch.testing.assert_close(own.double()(x.double()), plain.double()(x.double()), rtol=0, atol=0)
        own, plain = both()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert own(x).dtype == torch.bfloat16
        monkeypatch.setattr(dense, "_HAS_KERNEL", False)
        assert torch.equal(own(x), plain(x))


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch.export about itself
def test_a_compiled_prediction_keeps_the_kernel_and_an_exported_one_does_not() -> None:
    own, plain = both()
    x = torch.randn(ROWS, 24)
    called: list[str] = []

    def looking(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., object]:
        called.extend(str(node.target) for node in graph.graph.nodes if node.op == "call_function")
        return graph.forward

    with torch.no_grad():
        torch.testing.assert_close(torch.compile(own, backend=looking)(x), plain(x), rtol=1e-5, atol=1e-5)
        assert any("sonde.linear" in name for name in called)
        exported = torch.export.export(own, (x,)).run_decompositions()
    assert not any("sonde" in str(node.target) for node in exported.graph.nodes)
