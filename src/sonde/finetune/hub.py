"""Models of the Hugging Face hub, by name: fetched once by huggingface_hub, an extra, and kept in its cache."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sonde.errors import RecipeError

# What is asked for, the safe format first. Of these files at least the weights must be there.
WEIGHTS = ("model.safetensors", "weights.safetensors", "pytorch_model.bin")
# What texts are read with: of these a model of the BERT family has one or more.
VOCABULARY = ("tokenizer.json", "vocab.txt", "tokenizer_config.json")

# What is said first of a name that is not to be had: most often it was meant as a path.
TAKEN = "there is no such path here; taken as a name on the hub"


def fetch(name: str) -> Path:
    """The folder with config.json and the weights of `organisation/name`, or `organisation/name@revision`.

    The hub's own cache and variables hold: HF_HOME, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE. The hub is asked once whether it is there:
    where it is not, the cache alone is looked into. Raises RecipeError, with the commands that fetch the same by hand, where
    huggingface_hub is not installed, the hub cannot be reached, or has no such model.
    """
    repository, _, revision = name.partition("@")
    try:
        import huggingface_hub as library
        from huggingface_hub import errors
    except ImportError:
        what = f"{TAKEN}: its models are fetched by huggingface_hub, which is not installed"
        remedy = f"install it: pip install 'sonde[hub]'; or, {_by_hand(repository, revision)}"
        raise RecipeError(what, where=name, remedy=remedy) from None
    silence = ""
    try:
        with _quiet():
            silence = _silence(library, errors, repository, revision)
            path = _fetched(library, errors, repository, revision, cached=bool(silence))
    except errors.HFValidationError:
        raise RecipeError("there is no such path here, and the hub has no such names", where=name, remedy="give an existing path") from None
    except errors.RepositoryNotFoundError:
        what = "there is no such path here, and the hub has no such model, or does not show it to you"
        raise RecipeError(what, where=name, remedy="check the name; for a private model set HF_TOKEN") from None
    except errors.RevisionNotFoundError:
        raise RecipeError(f"the model has no revision {revision!r}", where=name, remedy="leave out the @, or name a branch, tag or commit") from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, OSError) as error:
        what = f"{TAKEN}: the hub cannot be reached, and the model is not in the cache ({silence or _first_line(error)})"
        raise RecipeError(what, where=name, remedy=_by_hand(repository, revision)) from None
    if path is None:
        what = f"the model has none of the files {', '.join(WEIGHTS)}"
        raise RecipeError(what, where=name, remedy="fetch the file that it has by hand, and give its path")
    return path


def _silence(library: Any, errors: Any, repository: str, revision: str) -> str:
    """Why the hub gives no answer about a model; empty where it answers, if only that it has none such.

    One question, asked once: fetching a file asks six times in half a minute, and there are several files.
    """
    try:
        library.get_hf_file_metadata(library.hf_hub_url(repository, "config.json", revision=revision or None))
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.EntryNotFoundError, errors.HFValidationError):
        return ""  # an answer, which fetching gives again
    except Exception as error:  # the errors of connections are those of a library that differs from version to version
        return _first_line(error)
    return ""


def _fetched(library: Any, errors: Any, repository: str, revision: str, *, cached: bool) -> Path | None:
    """The folder of the model's files, of the cache alone with `cached`; None where it has no weights. Raises the library's errors."""
    config = _file(library, errors, repository, revision, "config.json", cached=cached)
    for file in WEIGHTS:
        path = _file(library, errors, repository, revision, file, cached=cached)
        if path is None:
            continue
        for part in VOCABULARY if _reads_text(config) else ():
            _file(library, errors, repository, revision, part, cached=cached)
        return path.parent
    return None


def _file(library: Any, errors: Any, repository: str, revision: str, file: str, *, cached: bool) -> Path | None:
    """One file of a model, in the cache; None where the model has no such file, or with `cached` the cache has not.

    Raises LocalEntryNotFoundError where the hub fell silent, and for the last of `WEIGHTS` where the cache has none of them.
    """
    try:
        return Path(library.hf_hub_download(repository, file, revision=revision or None, local_files_only=cached))
    except errors.LocalEntryNotFoundError:  # not in the cache: whether the model has it is not known
        if not cached or file == WEIGHTS[-1]:
            raise
        return None
    except errors.EntryNotFoundError:
        return None


@contextmanager
def _quiet() -> Iterator[None]:
    """The library's warnings are not printed, unless HF_HUB_VERBOSITY asks for them: what matters of them stands in the error."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    if not os.environ.get("HF_HUB_VERBOSITY"):
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _reads_text(config: Path | None) -> bool:
    """Whether a config.json is of the BERT family."""
    try:
        return config is not None and json.loads(config.read_text(encoding="utf-8")).get("model_type") == "bert"
    except (OSError, ValueError, AttributeError):
        return False


def _by_hand(repository: str, revision: str) -> str:
    folder = repository.rpartition("/")[2]
    which = f" --revision {revision}" if revision else ""
    return (
        f"on a machine with network: `pip install huggingface_hub && hf download {repository} config.json {WEIGHTS[0]}{which} --local-dir {folder}`; "
        f"bring the folder here and give --weights {folder} (of the BERT family tokenizer.json or vocab.txt too)"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
