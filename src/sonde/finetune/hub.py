"""Models of the Hugging Face hub, by name: fetched once by huggingface_hub, an extra, and kept in its cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sonde.errors import RecipeError

# What is asked for, the safe format first. Of these files at least the weights must be there.
WEIGHTS = ("model.safetensors", "weights.safetensors", "pytorch_model.bin")
# What texts are read with: of these a model of the BERT family has one or more.
VOCABULARY = ("tokenizer.json", "vocab.txt", "tokenizer_config.json")


def fetch(name: str) -> Path:
    """The folder with config.json and the weights of `organisation/name`, or `organisation/name@revision`.

    The hub's own cache and variables hold: HF_HOME, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE. Raises RecipeError, with the commands
    that fetch the same by hand, where huggingface_hub is not installed, the hub cannot be reached, or has no such model.
    """
    repository, _, revision = name.partition("@")
    try:
        import huggingface_hub as library
        from huggingface_hub import errors
    except ImportError:
        remedy = f"install it: pip install 'sonde[hub]'; or, {_by_hand(repository, revision)}"
        raise RecipeError("a model of the hub is fetched by huggingface_hub, which is not installed", where=name, remedy=remedy) from None
    try:
        config = _file(library, errors, repository, revision, "config.json")
        for file in WEIGHTS:
            path = _file(library, errors, repository, revision, file)
            if path is None:
                continue
            for part in VOCABULARY if _reads_text(config) else ():
                _file(library, errors, repository, revision, part)
            return path.parent
    except errors.RepositoryNotFoundError:
        remedy = "check the name; for a private model set HF_TOKEN"
        raise RecipeError("the hub has no such model, or does not show it to you", where=name, remedy=remedy) from None
    except errors.RevisionNotFoundError:
        raise RecipeError(f"the model has no revision {revision!r}", where=name, remedy="leave out the @, or name a branch, tag or commit") from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, OSError) as error:
        what = f"the hub cannot be reached, and the model is not in the cache ({_first_line(error)})"
        raise RecipeError(what, where=name, remedy=_by_hand(repository, revision)) from None
    what = f"the model has none of the files {', '.join(WEIGHTS)}"
    raise RecipeError(what, where=name, remedy="fetch the file that it has by hand, and give its path")


def _file(library: Any, errors: Any, repository: str, revision: str, file: str) -> Path | None:
    """One file of a model, in the cache; None where the model has no such file."""
    try:
        return Path(library.hf_hub_download(repository, file, revision=revision or None))
    except errors.LocalEntryNotFoundError:  # offline, and not in the cache: whether the model has it is not known
        if file == WEIGHTS[-1]:
            raise
        return None
    except errors.EntryNotFoundError:
        return None


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
