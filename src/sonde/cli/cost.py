"""`sonde cost MODEL`: what a model costs before it is paid for."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from sonde.cli.flags import Json, many, settings
from sonde.cli.output import Answer, duration, say, table

if TYPE_CHECKING:
    from sonde.cost.account import Cost
    from sonde.cost.machine import Machine


def cost(
    model: Annotated[str | None, Parameter(help="a model, a run folder, a recipe, or package.module:factory of any torch.nn.Module")] = None,
    /,
    *,
    input: Annotated[tuple[str, ...], many("shape without the batch, 3x224x224; another format than float32: 128:int64 (repeatable)")] = (),
    batch: Annotated[int | None, Parameter(help="examples in a batch [default: the recipe's, else 32]")] = None,
    optimizer: Annotated[str | None, Parameter(help="sgd, momentum, nesterov, adam or adamw [default: the recipe's, else sgd]")] = None,
    set: Annotated[tuple[str, ...], many("a value of the model, --set model.width=64, or a factory's keyword (repeatable)")] = (),
    depth: Annotated[int | None, Parameter(help="names of a module path to show; what is below is added up")] = None,
    examples: Annotated[int | None, Parameter(help="also the time for so many examples")] = None,
    peak: Annotated[float | None, Parameter(help="another machine's multiply-adds a second, 12e12")] = None,
    bandwidth: Annotated[float | None, Parameter(help="another machine's bytes a second, 2e12")] = None,
    device: Annotated[str | None, Parameter(help="the machine's part that is compared with: cpu, cuda, cuda:1 [default: the one to train on]")] = None,
    measure: Annotated[bool, Parameter(negative=(), show_default=False, help="also run some steps, and say what share of the best is reached")] = False,
    sequence: Annotated[bool, Parameter(negative=(), show_default=False, help="without a model: measure convolution, recurrence and self-attention")] = False,
    out: Annotated[Path | None, Parameter(help="write an HTML page with the roofline, or with the layers of --sequence")] = None,
    json: Json = False,
) -> Answer:
    """Say what a model costs: parameters, multiply-adds, memory, bytes moved and time, layer by layer and in all."""
    _check(depth=depth, examples=examples, peak=peak, bandwidth=bandwidth)
    if sequence or model is None:
        return _sequence(model, sequence, out, json=json)

    from sonde.cost.account import account, folded
    from sonde.cost.source import find
    from sonde.report.roofline import write_cost
    from sonde.training.world import choose_device

    where = choose_device(device)
    source = find(model, inputs=input, settings=settings(set))
    bill = account(source, batch=source.batch or 32 if batch is None else batch, optimizer=optimizer or source.optimizer or "sgd")
    machine = _machine(peak, bandwidth, str(where))
    if depth is not None:
        bill = dataclasses.replace(bill, layers=tuple(folded(bill.layers, depth)))
    document = _document(bill, machine)
    if peak is None and bandwidth is None and where.type == "cpu":
        document["predicted"] = _predicted(bill)
    if examples is not None:
        document["examples"] = _examples(bill, machine, examples)
    if measure:
        document["measured"] = _measured(bill, machine, str(where))
    if out is not None:
        document["page"] = str(write_cost(document, out))
    return Answer(document, _text(bill, machine, document), json=json)


def _check(*, depth: int | None, examples: int | None, peak: float | None, bandwidth: float | None) -> None:
    """UsageError for numbers of which nothing can be said."""
    from sonde.errors import UsageError

    for flag, number, least in (("--depth", depth, "give at least 1, for the outermost modules"), ("--examples", examples, "give at least 1")):
        if number is not None and number < 1:
            raise UsageError(f"{flag} is {number}", where="sonde cost", remedy=least)
    for flag, speed in (("--peak", peak), ("--bandwidth", bandwidth)):
        if speed is not None and not (speed > 0 and math.isfinite(speed)):
            raise UsageError(f"{flag} is {speed}", where="sonde cost", remedy=f"give a finite number above 0, such as {flag} 1e12")


def _sequence(model: str | None, asked: bool, out: Path | None, *, json: bool) -> Answer:
    """Three layers that read sequences, against their length and width."""
    from sonde.errors import UsageError

    if not asked:
        raise UsageError("there is no model", where="sonde cost", remedy="name one, such as sonde cost lenet, or compare layers: sonde cost --sequence")
    if model is not None:
        raise UsageError("--sequence measures three layers, and a model was given", where="sonde cost", remedy="give one of the two")
    from sonde.cost import sequence
    from sonde.cost.machine import processor, threads
    from sonde.report.sequence_cost import FORMULAS, write_sequence

    say("measuring three layers at eleven sizes each, some seconds …", quiet=json)
    points, found = sequence.measure(), {"length": sequence.LENGTH, "width": sequence.WIDTH, "kernel": sequence.KERNEL}
    fits = sequence.fits(points)
    document: dict[str, Any] = {
        "processor": processor(),
        "threads": threads(),
        **found,
        "points": [dataclasses.asdict(point) for point in points],
        "fits": [dataclasses.asdict(fit) for fit in fits],
    }
    if out is not None:
        document["page"] = str(write_sequence(document, out))
    sizes = [(p.layer, p.length, p.width, p.multiply_adds, p.serial, p.path, f"{1e3 * p.seconds:.3g}", p.memory) for p in points]
    slopes = [(fit.layer, "n" if fit.by == "length" else "d", fit.theory, f"{fit.seconds:.2f}", f"{fit.memory:.2f}") for fit in fits]
    formulas = [(name, *words) for name, words in FORMULAS.items()]
    lines = [
        table(sizes, ("layer", "n", "d", "multiply-adds", "serial steps", "longest path", "ms", "bytes")),
        "",
        "exponents of time and memory, fitted to the largest sizes",
        table(slopes, ("layer", "in", "multiply-adds", "time", "memory")),
        "",
        table(formulas, ("layer", "multiply-adds", "serial steps", "longest path")),
        *([f"page  {document['page']}"] if out is not None else []),
    ]
    return Answer(document, "\n".join(lines), json=json)


def _machine(peak: float | None, bandwidth: float | None, device: str) -> Machine:
    """This machine with its `device`, or it with another peak and bandwidth."""
    from sonde.cost.machine import given, is_known, machine

    if peak is not None:  # where only arithmetic is said, memory is taken to be no limit
        return given(peak=peak, bandwidth=float("inf") if bandwidth is None else bandwidth)
    if not is_known(device):
        say("measuring this machine, some seconds (sonde bench shows it) …")
    found = machine(device)
    return found if bandwidth is None else given(peak=found.peak, bandwidth=bandwidth)


def _document(bill: Cost, machine: Machine) -> dict[str, Any]:
    """What `--json` prints."""
    floors = [machine.seconds(layer.multiply_adds, layer.moved) for layer in bill.layers]
    forward = sum(layer.multiply_adds for layer in bill.layers)
    backward = sum(layer.backward for layer in bill.layers)
    return {
        "name": bill.source.name,
        "what": bill.source.what,
        "inputs": [str(each) for each in bill.source.inputs],
        "sizes": dict(bill.source.sizes),
        "batch": bill.batch,
        "optimizer": bill.optimizer,
        "parameters": bill.parameters,
        "multiply_adds": bill.multiply_adds,
        "backward_multiply_adds": bill.backward,
        "training_multiply_adds": forward + backward,
        "memory": dataclasses.asdict(bill.memory),
        "moved": bill.moved,
        "intensity": (forward + backward) / bill.moved if bill.moved else 0.0,
        "floor": {"forward_seconds": sum(floors, 0.0), "step_seconds": _step_floor(bill, machine)},
        "machine": {key: getattr(machine, key) for key in ("processor", "device", "threads", "peak", "bandwidth")},
        "layers": [
            dataclasses.asdict(layer) | {"intensity": layer.intensity, "floor_seconds": floor}
            for layer, floor in zip(bill.layers, floors, strict=True)
        ],
        "notes": list(bill.notes),
    }


def _step_floor(bill: Cost, machine: Machine) -> float:
    """The least time of a step: for each layer and pass, arithmetic or memory, whichever takes longer."""
    found: dict[tuple[str, str], list[int]] = {}
    for operation in bill.operations:
        both = found.setdefault((operation.layer, operation.phase), [0, 0])
        both[0] += operation.multiply_adds
        both[1] += operation.moved
    return sum((machine.seconds(work, moved) for work, moved in found.values()), 0.0)


def _predicted(bill: Cost) -> dict[str, float]:
    from sonde.cost.step_time import calibration, is_calibrated

    if not is_calibrated():
        say("measuring how fast operations are on this machine, a minute or so, once …")
    found = calibration()
    return {"step_seconds": found.step(bill)}


def _examples(bill: Cost, machine: Machine, examples: int) -> dict[str, Any]:
    """Times of many examples when nothing but arithmetic and memory takes any."""
    forward = sum((machine.seconds(layer.multiply_adds, layer.moved) for layer in bill.layers), 0.0) / bill.batch
    return {"number": examples, "forward_seconds": forward * examples, "training_seconds": _step_floor(bill, machine) / bill.batch * examples}


def _measured(bill: Cost, machine: Machine, device: str) -> dict[str, float]:
    """Times of real steps; 0 for a training step of a module in which there is nothing to train."""
    from sonde.cost.achieved import forward_seconds, step_seconds

    if any(operation.phase == "backward" for operation in bill.operations):
        step, forward = step_seconds(bill.source, batch=bill.batch, optimizer=bill.optimizer, device=device)
    else:
        inputs = [each.batch(bill.batch, device) for each in bill.source.inputs]
        step, forward = 0.0, forward_seconds(bill.source.build().to(device), inputs)
    work = sum(layer.multiply_adds + layer.backward for layer in bill.layers)
    reached = work / step / machine.peak if step else 0.0
    return {"step_seconds": step, "forward_seconds": forward, "share_of_peak": reached, "share_of_floor": _step_floor(bill, machine) / step if step else 0.0}


def _text(bill: Cost, machine: Machine, document: dict[str, Any]) -> str:
    from sonde.report.roofline import size

    rows = [
        (
            layer["path"],
            layer["type"],
            "×".join(map(str, layer["output"] or ())) or "–",
            layer["parameters"],
            layer["multiply_adds"],
            layer["other"],
            size(layer["saved"]),
            size(layer["moved"]),
            f"{layer['intensity']:.1f}",
            f"{1e3 * layer['floor_seconds']:.3f}" if layer["floor_seconds"] else "–",
        )
        for layer in document["layers"]
    ]
    heads = ("layer", "type", "output", "parameters", "multiply-adds", "other", "kept", "moved", "per byte", "least ms")
    memory, floor = document["memory"], document["floor"]
    sizes = ", ".join(f"{key} {value}" for key, value in document["sizes"].items())
    lines = [
        f"{bill.source.what} on {' and '.join(document['inputs'])}{f' ({sizes})' if sizes else ''}, batch {bill.batch}, {bill.optimizer}",
        *(f"note: {note}" for note in bill.notes),
        "",
        table(rows, heads),
        "The table is of the forward pass over the batch; a multiply-add counts as one; kept: for the backward pass.",
        "",
        f"parameters       {bill.parameters:,}",
        f"multiply-adds    {_whole(bill.multiply_adds)} forward, {_whole(bill.backward)} backward, for one example",
        f"training memory  {size(memory['training'])} at most: weights {size(memory['weights'])}, gradients {size(memory['gradients'])}, "
        f"{bill.optimizer} {size(memory['optimizer'])}, batch {size(memory['inputs'])}, kept {size(memory['activations'])}, passing {size(memory['passing'])}",
        f"use              {size(memory['inference'])} at most, without gradients",
        f"bytes moved      {size(bill.moved)} a training step, {document['intensity']:.1f} multiply-adds a byte",
        f"machine          {_machine_name(machine)}: {machine.peak / 1e9:,.1f} billion multiply-adds/s, {_speed(machine.bandwidth)}",
        f"at least         forward {_time(floor['forward_seconds'])}, training step {_time(floor['step_seconds'])}{_rate(bill, floor['step_seconds'])}",
    ]
    if "predicted" in document:
        step = document["predicted"]["step_seconds"]
        lines.append(f"predicted        training step {_time(step)}{_rate(bill, step)}")
    if "measured" in document:
        found = document["measured"]
        shares = f": {found['share_of_peak']:.0%} of the peak, {found['share_of_floor']:.0%} of what is possible" if found["step_seconds"] else ""
        lines.append(f"measured         training step {_time(found['step_seconds'])}, forward {_time(found['forward_seconds'])}{shares}")
    if "examples" in document:
        many = document["examples"]
        lines.append(
            f"{many['number']:,} examples  forward {_long(many['forward_seconds'])}, training {_long(many['training_seconds'])}, at least"
        )
    if "page" in document:
        lines.append(f"page             {document['page']}")
    return "\n".join(lines)


def _machine_name(machine: Machine) -> str:
    from sonde.report.numbers import plural

    if machine.device not in ("cpu", "given"):
        return machine.device
    return f"{machine.processor}, {plural(machine.threads, 'thread')}" if machine.threads else machine.processor


def _whole(number: int | float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.1f}"


def _speed(bandwidth: float) -> str:
    return "memory without limit" if bandwidth == float("inf") else f"{bandwidth / 1e9:,.1f} GB/s"


def _rate(bill: Cost, seconds: float) -> str:
    return f" ({bill.batch / seconds:,.0f} examples/s)" if seconds else ""


def _time(seconds: float) -> str:
    """A duration; a dash where there is nothing that takes any."""
    if not seconds:
        return "–"
    return f"{1e3 * seconds:,.3g} ms" if seconds < 1 else f"{seconds:,.3g} s"


def _long(seconds: float) -> str:
    return _time(seconds) if seconds < 10 else f"{duration(seconds)} ({seconds / 3600:,.2f} h)"
