"""`sonde`: finds the command, and turns every error into one message and one exit code.

Nothing heavy is imported before a command needs it: commands are named by import path, and `--help` answers from the
table below.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from cyclopts import App, Parameter, convert
from cyclopts.exceptions import CycloptsError

from sonde import __version__
from sonde.cli import usage
from sonde.cli.output import Answer, encode, first_process
from sonde.errors import DeviceError, SondeError

# exit codes, as docs/commands.md has them
OK, SHORT, USER_ERROR, BUG, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 70, 130, 141

# name → import path and help. `sonde --help` shows the first line, `sonde NAME --help` all.
COMMANDS: dict[str, tuple[str, str]] = {
    "train": (
        "sonde.cli.train:train",
        """Train a model on your data, a recipe or a named set.

Give what you know; what you leave out is decided from the data and written into the run's recipe.toml.

  sonde train                                 handwritten digits, in seconds
  sonde train leaves/ --model resnet18        a folder of class folders
  sonde train houses.csv --target price --folds 5
  sonde train resnet18-cifar10 --epochs 20    a recipe, one value changed
  sonde train --resume runs/leaves-1 --epochs 40""",
    ),
    "evaluate": (
        "sonde.cli.evaluate:evaluate",
        """Measure a run, on its own test part or on new data.

Each look at the test part is counted in the run folder.""",
    ),
    "predict": (
        "sonde.cli.predict:predict",
        """Predict for files or rows.

The name of each row (its id, picture or number) stands beside its prediction, in the order given.""",
    ),
    "compare": ("sonde.cli.compare:compare", "Put runs side by side: which to pick, which overfits."),
    "report": ("sonde.cli.report:report", "Write the HTML page of a run, or of several side by side."),
    "runs": ("sonde.cli.runs:runs", "List runs, the oldest first, or delete some."),
    "data": ("sonde.cli.data:data", "Say what stands at a path and what is wrong with it; fetch a named set."),
    "models": ("sonde.cli.models:models", "List models, or show one: what it reads, its values, parameters, source file."),
    "tasks": ("sonde.cli.tasks:tasks", "List kinds of problem and their options for --set task.…"),
    "cost": (
        "sonde.cli.cost:cost",
        """Say what a model costs before it is trained: operations, memory and time.

  sonde cost resnet18 --input 3x32x32 --batch 128 --optimizer momentum
  sonde cost runs/leaves-1 --measure          with a short run beside the prediction
  sonde cost my_package.nets:Net --input 3x64x64""",
    ),
    "bench": ("sonde.cli.bench:bench", "Measure this machine: peak, bandwidth, caches, memory order, loops, copies."),
    "systolic": ("sonde.cli.systolic:systolic", "Simulate a matrix product on a systolic array, cycle by cycle, and draw it."),
    "verify": (
        "sonde.cli.verify:verify",
        """Prove that every algorithm on NumPy and its fast form compute the same.

  sonde verify                                all pairs: largest differences, speed
  sonde verify conv2d --mine my_conv.py       your own function, value and gradient
  sonde verify --graph 'sum((x*w - y)**2)' --at x=2 --at w=1 --at y=0.5""",
    ),
    "export": (
        "sonde.cli.export:export",
        """Write a run so that it predicts where there is no PyTorch.

  sonde export runs/leaves-1 --to numpy       weights, preprocessing and a predict.py that needs NumPy alone""",
    ),
    "style": (
        "sonde.cli.style:style",
        """Paint a photograph in the manner of another picture.

  sonde style mountain.jpg oak.jpg --out painting.png
  sonde style mountain.jpg oak.jpg --size 1024 --weights vgg19.pth""",
    ),
    "recipes": ("sonde.cli.recipes:recipes", "List recipes with what each reaches, or print one as TOML."),
}

HELP = "Deep learning you can use, see through and grow.\n\n`sonde train` trains on the digits that come with the package."
EPILOGUE = "--debug, anywhere on the line, adds a traceback to an error. Exit codes: 0 done, 1 a threshold was missed, 2 a mistake to mend, 130 interrupted."


def app() -> App:
    """The command line, each command still to be imported."""
    line = App(
        name="sonde",
        help=HELP,
        help_epilogue=EPILOGUE,
        help_format="plaintext",
        help_formatter="plain",
        version=f"sonde {__version__}",
        default_parameter=Parameter(converter=_read),
        suppress_keyboard_interrupt=False,
    )
    for order, (name, (path, text)) in enumerate(COMMANDS.items()):
        line.command(path, name=name, help=text, sort_key=order)
    return line


def whole(text: str) -> int:
    """The whole number that `text` is, however it is written: 1000, 1_000, 1e3, 3.0, 0xff. ValueError for a fraction; nothing is rounded."""
    try:
        return int(text, 0)
    except ValueError:
        value = float(text)
        if not value.is_integer() or abs(value) >= 2**53:  # from there on a float may stand for its neighbours
            raise
        return int(value)


def _read(hint: Any, tokens: Any) -> Any:
    """The value of an argument of type `hint`, as cyclopts reads it, but for whole numbers: cyclopts rounds 2.5."""
    return convert(hint, tokens, converter=lambda kind, text: whole(text) if kind is int else convert(kind, [text]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = given[: given.index("--")] if "--" in given else given
    debug, as_json = "--debug" in options, "--json" in options
    given = [word for word in options if word != "--debug"] + given[len(options) :]
    try:
        return _run(given, as_json=as_json)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has gone; without this Python complains when it flushes at exit
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return PIPE_CLOSED
    except Exception as error:
        return _fail(error, debug=debug, as_json=as_json)


def _run(given: list[str], *, as_json: bool) -> int:
    """Parse, run, print. With `--json`, whatever the command prints on the way goes to standard error."""
    line = app()
    try:
        # None keeps cyclopts from printing or exiting by itself
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            answer = line(given, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        raise usage.explain(error, words=given, commands=COMMANDS) from error
    if isinstance(answer, Answer):
        answer.write()
    sys.stdout.flush()
    return answer.code if isinstance(answer, Answer) else OK


def _fail(error: Exception, *, debug: bool, as_json: bool) -> int:
    """Print an error, on standard error for people and with `--json` as a document too; returns the exit code."""
    known = _known(error)
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    if known is None:
        known = SondeError(
            f"{type(error).__name__}: {error}", remedy="this is a bug in Sonde: run again with --debug and report what it prints"
        )
        known.exit_code = BUG
    if first_process() or known.exit_code == BUG:
        head = "" if known.exit_code == INTERRUPTED else "error: "
        print(f"{head}{known}", file=sys.stderr, flush=True)
    if first_process() and as_json:
        print(encode({"error": {"what": known.what, "where": known.where, "remedy": known.remedy}}), flush=True)
    return known.exit_code


def _known(error: Exception) -> SondeError | None:
    """The error as one that a user can mend, or None if it is a bug."""
    if isinstance(error, SondeError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        what, remedy = (
            "permission denied" if error.errno != errno.EROFS else "this is read-only",
            "choose a folder that you may write to with --out",
        )
        return SondeError(what, where=str(error.filename) if error.filename else None, remedy=remedy)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "free some space: `sonde runs --delete NAME` removes old runs"
        return SondeError("the disk is full", where=str(error.filename) if error.filename else None, remedy=remedy)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return DeviceError(
            "there is not enough memory", remedy="take a smaller --batch-size, or cut each batch into pieces with --accumulate 4"
        )
    return None
