"""Keras 3 on PyTorch: compile and fit, silent. `--workers 1` lays pictures out channels first, 0 channels last (Keras's default)."""

from __future__ import annotations

import os
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
from keras import layers

from bench.contenders.digits import prepared
from bench.contenders.gate import Gate, Settings, settings


class Clock(keras.callbacks.Callback):
    """Stands still between epochs."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate = gate

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Wait for the signal."""
        self.gate.begin()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Say how long it took."""
        self.gate.end(float((logs or {})["loss"]))


def build(given: Settings, shape: tuple[int, ...]) -> keras.Model:
    """The same network in Keras's layers."""
    if given.network == "mlp":
        return keras.Sequential([layers.Input(shape), layers.Flatten(), layers.Dense(256, "relu"), layers.Dense(10)])
    if given.network == "resnet18":
        return resnet18(shape)
    act, pool = ("sigmoid", layers.AveragePooling2D) if given.network == "lenet-original" else ("relu", layers.MaxPooling2D)
    convolutions = [layers.Conv2D(6, 5, padding="same", activation=act), pool(2), layers.Conv2D(16, 5, activation=act), pool(2)]
    dense = [layers.Flatten(), layers.Dense(120, act), layers.Dense(84, act), layers.Dense(10)]
    return keras.Sequential([layers.Input(shape), *convolutions, *dense])


def resnet18(shape: tuple[int, ...]) -> keras.Model:
    """He et al. 2016, table 1, in Keras's layers; 10 classes."""
    axis = 1 if keras.config.image_data_format() == "channels_first" else -1

    def convolution(x: Any, channels: int, kernel: int, stride: int) -> Any:
        x = layers.ZeroPadding2D(kernel // 2)(x)
        return layers.BatchNormalization(axis, momentum=0.9, epsilon=1e-5)(layers.Conv2D(channels, kernel, stride, use_bias=False)(x))

    pictures = layers.Input(shape)
    x = layers.ReLU()(convolution(pictures, 64, 7, 2))
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for channels in (64, 128, 256, 512):
        for block in (1, 2):
            stride = 2 if block == 1 and channels > 64 else 1
            shortcut = x if stride == 1 else convolution(x, channels, 1, stride)
            y = layers.ReLU()(convolution(x, channels, 3, stride))
            x = layers.ReLU()(layers.Add()([convolution(y, channels, 3, 1), shortcut]))
    return keras.Model(pictures, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def main() -> None:
    """Train for as long as asked."""
    given, gate = settings(), Gate()
    pictures, labels = prepared(given.examples, given.network)
    if given.workers:
        keras.config.set_image_data_format("channels_first")
    else:
        pictures = np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))
    model = build(given, pictures.shape[1:])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(given.lr), loss, jit_compile=given.compile)
    model.fit(pictures, labels, batch_size=given.batch, epochs=1_000_000, verbose=0, shuffle=True, callbacks=[Clock(gate)])


if __name__ == "__main__":
    main()
