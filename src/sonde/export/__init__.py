"""Trained models for other places than PyTorch. The table below is all there is to registering a format."""

from __future__ import annotations

# name → the function that does it: export(run, folder) -> Exported
FORMATS: dict[str, str] = {"numpy": "sonde.export.numpy:export", "hub": "sonde.export.hub:export"}
