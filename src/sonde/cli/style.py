"""`sonde style CONTENT STYLE`: a photograph painted in the manner of another picture."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from sonde.cli.flags import Json, Quiet
from sonde.cli.output import Answer, say
from sonde.errors import UsageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def style(
    content: Annotated[Path, Parameter(help="the picture to paint")],
    style: Annotated[Path, Parameter(help="the picture whose manner is taken")],
    /,
    *,
    out: Annotated[Path, Parameter(help="where the painting is written")] = Path("painting.png"),
    size: Annotated[int, Parameter(help="pixels of its longer side")] = 256,
    steps: Annotated[int, Parameter(help="steps at each scale; sizes over 256 are painted at several")] = 200,
    weights: Annotated[str | None, Parameter(help="the network to see with: a run, a file, a hub name [default: a narrow VGG, trained once]")] = None,
    content_weight: Annotated[float, Parameter(help="how much the content counts")] = 1.0,
    style_weight: Annotated[float, Parameter(help="how much the style counts")] = 20.0,
    smooth_weight: Annotated[float, Parameter(help="how much smoothness counts")] = 10.0,
    lr: Annotated[float, Parameter(help="step of a pixel, of 0 … 255")] = 6.0,
    start: Annotated[Literal["content", "noise"], Parameter(help="what is painted over")] = "content",
    progress: Annotated[Path | None, Parameter(help="also write the painting every 50 steps to this folder")] = None,
    seed: Annotated[int, Parameter(help="same seed, same painting")] = 0,
    device: Annotated[str | None, Parameter(help="cpu, cuda, cuda:1, mps [default: the best there is]")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> Answer:
    """Paint a picture in the manner of another: the picture's pixels are what is optimised."""
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(f"a picture is not written to {out.suffix or 'a file without an ending'}", where="--out", remedy=f"use {', '.join(SUFFIXES)}")
    for flag, value in (("--steps", steps), ("--lr", lr)):
        if value <= 0:
            raise UsageError(f"{value} makes no step", where=flag, remedy="give a number above 0")
    if min(content_weight, style_weight, smooth_weight) < 0:
        raise UsageError("a loss cannot count less than nothing", where="sonde style", remedy="give weights of 0 or more")

    from PIL import Image

    from sonde.models.style_transfer import Weighing
    from sonde.style import Manner, paint
    from sonde.training.world import choose_device

    manner = Manner(size, steps, lr, Weighing(content_weight, style_weight, smooth_weight), start, seed)

    def report(event: dict[str, Any]) -> None:
        losses = ", ".join(f"{name} {value:.3g}" for name, value in event["losses"].items())
        say(f"size {event['size']}  step {event['step']}/{event['steps']}  {losses}", quiet=quiet)
        if progress is not None:
            progress.mkdir(parents=True, exist_ok=True)
            Image.fromarray(event["picture"]).save(progress / f"{event['size']}-{event['step']:05d}.png")

    done = paint(content, style, manner=manner, weights=weights, device=str(choose_device(device)), report=report)
    _save(Image.fromarray(done.picture), out)
    table = {key: value for key, value in dataclasses.asdict(done).items() if key != "picture"}
    height, width = done.picture.shape[:2]
    fall = done.before["total"] / max(done.after["total"], 1e-12)
    text = (
        f"painting  {out} ({width}×{height})\n"
        f"network   {done.network}\n"
        f"loss      {done.before['total']:.4g} → {done.after['total']:.4g}, {fall:.1f} times less\n"
        f"speed     {done.steps / done.seconds:.1f} steps a second"
    )
    return Answer({"out": str(out), "width": width, "height": height, **table}, text, json=json)


def _save(picture: Any, out: Path) -> None:
    """Written beside and renamed, so that a picture that is there is whole."""
    beside = out.with_name(f".{out.name}.part{out.suffix}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        picture.save(beside)
        beside.replace(out)
    except OSError as error:
        remedy = "make room, or give another file with --out"
        raise UsageError(f"the painting cannot be written: {error.strerror or error}", where=str(out), remedy=remedy) from None
    finally:
        beside.unlink(missing_ok=True)
