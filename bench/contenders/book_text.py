"""The loop that textbooks print for language models: one-hot characters, the state carried on, gradients clipped, SGD.

Written here from its description. `--workers` chooses the layer: 0 torch.nn's, 1 Sonde's with the same one-hot vectors, 2 Sonde's with
the characters as they are. 28 characters, hidden size 256, 35 steps; `--examples` counts sequences. The text is random: the speed does
not depend on it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.contenders.gate import Gate, Settings, settings
from sonde.nn.recurrent import Recurrent

VOCABULARY, WIDTH, STEPS = 28, 256, 35
THEIRS: dict[str, Any] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Model(nn.Module):
    """A recurrent layer and the output."""

    def __init__(self, given: Settings) -> None:
        super().__init__()
        self.one_hot = given.workers < 2
        ours = given.workers > 0
        self.layer: nn.Module = Recurrent(given.network, VOCABULARY, WIDTH) if ours else THEIRS[given.network](VOCABULARY, WIDTH)  # type: ignore[arg-type]
        self.output = nn.Linear(WIDTH, VOCABULARY)

    def forward(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Logits (step · row, character) and the state."""
        x = functional.one_hot(tokens.T, VOCABULARY).float() if self.one_hot else tokens.T
        y, state = self.layer(x, state)
        return self.output(y.reshape(-1, WIDTH)), state


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    torch.manual_seed(0)
    model, loss = Model(given), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=given.lr)
    tokens = torch.randint(VOCABULARY, (given.examples, STEPS + 1))
    while True:
        gate.begin()
        state: Any = None
        total = 0.0
        for part in tokens.split(given.batch):
            state = tuple(each.detach() for each in state) if isinstance(state, tuple) else None if state is None else state.detach()
            logits, state = model(part[:, :-1], state)
            value = loss(logits, part[:, 1:].T.reshape(-1))
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += float(value.detach()) * part[:, 1:].numel()
        gate.end(total / (given.examples * STEPS))


if __name__ == "__main__":
    main()
