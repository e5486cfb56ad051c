"""The Hugging Face Trainer: plain SGD, constant rate, no clipping, nothing logged or saved."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from bench.contenders.digits import prepared
from bench.contenders.gate import Gate, settings
from bench.contenders.networks import network


class Pictures(Dataset[dict[str, Tensor]]):
    """Rows as the Trainer wants them."""

    def __init__(self, pictures: Tensor, labels: Tensor) -> None:
        self.pictures, self.labels = pictures, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"pictures": self.pictures[index], "labels": self.labels[index]}


class Model(nn.Module):
    """A network that returns its loss, as the Trainer wants it. It keeps the sum itself; the Trainer's log is off."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.total = torch.zeros(())

    def forward(self, pictures: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Loss and logits."""
        logits = self.net(pictures)
        value = functional.cross_entropy(logits, labels)
        self.total += value.detach() * len(labels)
        return {"loss": value, "logits": logits}


class Clock(TrainerCallback):
    """Stands still between epochs."""

    def __init__(self, gate: Gate, model: Model, examples: int) -> None:
        self.gate, self.model, self.examples = gate, model, examples

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Wait for the signal."""
        self.gate.begin()
        self.model.total = torch.zeros(())

    def on_epoch_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Say how long it took."""
        self.gate.end(float(self.model.total) / self.examples)


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    model = Model(network(given.network))
    if given.compile:
        model.net = torch.compile(model.net)
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        use_cpu=True,
        per_device_train_batch_size=given.batch,
        num_train_epochs=100_000,
        learning_rate=given.lr,
        optim="sgd",
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    data = Pictures(*(torch.from_numpy(array) for array in prepared(given.examples)))
    Trainer(model=model, args=arguments, train_dataset=data, callbacks=[Clock(gate, model, given.examples)]).train()


if __name__ == "__main__":
    main()
