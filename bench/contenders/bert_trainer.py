"""The Hugging Face Trainer on the texts of bench/contenders/bert_task.py: its own AdamW, fastest attention, constant rate, nothing logged or saved."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from bench.contenders.bert_task import DECAY, LR, prepared
from bench.contenders.gate import Gate, settings
from sonde.experiment import Experiment
from sonde.models.bert import CONFIG
from sonde.training.world import join


class Texts(Dataset[dict[str, Tensor]]):
    """Rows as the Trainer wants them."""

    def __init__(self, tokens: Tensor, labels: Tensor) -> None:
        self.columns = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "labels": labels}

    def __len__(self) -> int:
        return len(self.columns["labels"])

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: column[index] for name, column in self.columns.items()}


class Model(nn.Module):
    """The library's classifier with the same weights. It keeps the sum of losses itself; the Trainer's log is off."""

    def __init__(self, experiment: Experiment, *, compiled: bool) -> None:
        super().__init__()
        network: Any = experiment.model.network
        values = experiment.recipe.model.config
        sizes = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024}
        words, places = network.bert.embeddings.word_embeddings, network.bert.embeddings.position_embeddings
        drops = {CONFIG[name]: values[name] for name in ("dropout", "attention_dropout")}
        known = transformers.BertConfig(
            vocab_size=len(words.weight), max_position_embeddings=len(places.weight), num_labels=2, attn_implementation="sdpa", **sizes, **drops
        )
        whole = transformers.BertForSequenceClassification(known)
        whole.load_state_dict(network.state_dict())
        self.net: Any = torch.compile(whole) if compiled else whole
        self.total = torch.zeros(())

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Loss and logits."""
        out = self.net(input_ids=input_ids, attention_mask=attention_mask, labels=labels)
        self.total += out.loss.detach() * len(labels)
        return {"loss": out.loss, "logits": out.logits}


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
    with tempfile.TemporaryDirectory() as folder, join("cpu") as world:
        experiment = prepared(given, Path(folder), world)
        columns = experiment.parts["train"].columns
        assert columns.targets is not None
        model = Model(experiment, compiled=given.compile)
        arguments = TrainingArguments(
            output_dir=folder,
            use_cpu=True,
            per_device_train_batch_size=given.batch,
            num_train_epochs=100_000,
            learning_rate=LR,
            weight_decay=DECAY,
            lr_scheduler_type="constant",
            max_grad_norm=1.0,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        data = Texts(columns.inputs[0].long(), columns.targets.long())
        Trainer(model=model, args=arguments, train_dataset=data, callbacks=[Clock(gate, model, given.examples)]).train()


if __name__ == "__main__":
    main()
