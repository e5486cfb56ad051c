"""PyTorch Lightning's Trainer without logger, checkpoints, progress bar or sanity check."""

from __future__ import annotations

import logging

import lightning
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from bench.contenders.digits import prepared
from bench.contenders.gate import Gate, Settings, settings
from bench.contenders.networks import network


class Module(lightning.LightningModule):
    """The network, its loss and its optimiser."""

    def __init__(self, given: Settings, gate: Gate) -> None:
        super().__init__()
        self.net = network(given.network)
        if given.compile:
            self.net = torch.compile(self.net)
        self.given, self.gate = given, gate

    def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
        """The loss of one batch."""
        inputs, targets = batch
        value = functional.cross_entropy(self.net(inputs), targets)
        self.total += value.detach() * len(targets)
        return value

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=self.given.lr)

    def on_train_epoch_start(self) -> None:
        """Wait for the signal."""
        self.gate.begin()
        self.total = torch.zeros(())

    def on_train_epoch_end(self) -> None:
        """Say how long it took."""
        self.gate.end(float(self.total) / self.given.examples)


def main() -> None:
    """Train for as long as asked."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    given, gate = settings(), Gate()
    loader = DataLoader(
        TensorDataset(*(torch.from_numpy(array) for array in prepared(given.examples))), batch_size=given.batch, shuffle=True
    )
    trainer = lightning.Trainer(
        max_epochs=-1,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(Module(given, gate), loader)


if __name__ == "__main__":
    main()
