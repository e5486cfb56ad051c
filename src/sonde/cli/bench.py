"""`sonde bench`: what this machine is good and bad at."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sonde.cli.flags import Json
from sonde.cli.output import Answer, say


def bench(
    *,
    again: Annotated[bool, Parameter(negative=(), show_default=False, help="measure anew, though it is known")] = False,
    device: Annotated[str | None, Parameter(help="what to measure beside the host [default: the best there is]")] = None,
    out: Annotated[Path | None, Parameter(help="write an HTML page")] = None,
    json: Json = False,
) -> Answer:
    """Measure this machine: peak, bandwidth, caches, memory order, loops and copies. Kept until it changes."""
    from sonde.cost.machine import is_known, machine
    from sonde.report.numbers import plural
    from sonde.report.roofline import size, write_machine

    if again or not is_known(device):
        say("measuring this machine, some seconds …")
    found = machine(device, again=again)
    document = dataclasses.asdict(found) | {
        "ridge": found.ridge,
        "caches": [{"bytes": each, "bytes_per_second": speed} for each, speed in found.caches],
        "strides": dataclasses.asdict(found.strides) | {"ratio": found.strides.ratio},
        "loops": dataclasses.asdict(found.loops) | {"ratio": found.loops.ratio},
        "page": None if out is None else str(out),
    }
    lines = [
        f"{found.processor}, {found.device}, {plural(found.threads, 'thread')}, torch {found.torch}, measured {found.measured}",
        f"peak             {found.peak / 1e9:,.1f} billion multiply-adds/s in float32 ({2 * found.peak / 1e12:.3g} TFLOP/s): a large matrix product",
        f"bandwidth        {found.bandwidth / 1e9:,.1f} GB/s: c = a + b on arrays that no cache holds",
        f"ridge            {found.ridge:,.1f} multiply-adds a byte: below it memory is the limit, above it arithmetic",
        f"rows, columns    {found.strides.ratio:,.1f}×: summing a matrix column by column takes so much longer than row by row",
        f"vector, loop     {found.loops.ratio:,.0f}×: adding arrays in a Python loop takes so much longer than in one call",
        "caches           " + ", ".join(f"{size(each)} {speed / 1e9:,.0f}" for each, speed in found.caches[::2]) + " GB/s",
    ]
    if found.transfers is not None:
        moves = found.transfers
        lines += [
            f"host → device    {moves.to_device / 1e9:,.1f} GB/s, {moves.to_device_pinned / 1e9:,.1f} GB/s from pinned memory",
            f"device → host    {moves.to_host / 1e9:,.1f} GB/s",
            f"synchronisation  a product is asked for in {1e6 * moves.asked:,.0f} µs and done after {1e3 * moves.done:,.2f} ms: do not wait in between",
        ]
    if out is not None:
        lines.append(f"page             {write_machine(document, out)}")
    return Answer(document, "\n".join(lines), json=json)
