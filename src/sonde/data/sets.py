"""Named public sets: where they are fetched from, and what their files must be.

A set is looked for in $SONDE_DATA/<folder>, then in the cache folder, then fetched into it: several addresses are tried,
a broken download goes on where it stopped, size and SHA-256 are checked, and the file is renamed into place at the end.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from sonde.data.public_sets import SETS, File, PublicSet
from sonde.data.readers.cache import cache_folder
from sonde.errors import DataError, Problem, UsageError, did_you_mean

Report = Callable[[str, int, int | None], None]  # file name, bytes that are there, bytes in all (None: unknown)

_TRIES = 3  # times that a broken download from one address is taken up again
_TIMEOUT = 30  # seconds without a byte
_PIECE = 2**18


def located(name: str) -> Path | None:
    """Where a set stands on this machine: the path to open, or None."""
    chosen = _known(name)
    for folder in _folders(chosen):
        if _complete(chosen, folder):
            return folder / chosen.opens
    return None


def obtained(name: str, report: Report | None = None) -> Path:
    """The path to open: where the set stands, or the cache folder once it has been fetched.

    Raises
    ------
    DataError
        When a file cannot be had; it says which file to put where.
    """
    found = located(name)
    if found is not None:
        return found
    chosen = _known(name)
    folder = cache_folder() / "sets" / chosen.folder
    _fetch(name, chosen, folder, report)
    return folder / chosen.opens


def fetch(name: str, to: Path, report: Report | None = None) -> list[Path]:
    """The set's files under `to`/<folder>, copied from where the set stands or fetched: with $SONDE_DATA=`to` no network is needed.

    Raises
    ------
    DataError
        As `obtained`.
    """
    chosen = _known(name)
    folder = to / chosen.folder
    for source in _folders(chosen):
        if _complete(chosen, source) and source.resolve() != folder.resolve():
            return [_copied(file, folder / file.name, report) for file in sorted(source.iterdir()) if file.is_file() and file.suffix != ".part"]
    if _complete(chosen, folder):
        return sorted(file for file in folder.iterdir() if file.is_file())
    return _fetch(name, chosen, folder, report)


def _known(name: str) -> PublicSet:
    if name not in SETS:
        raise UsageError(f"there is no public set {name!r}", remedy=did_you_mean(name, SETS))
    return SETS[name]


def _folders(chosen: PublicSet) -> list[Path]:
    own = [cache_folder() / "sets" / chosen.folder]
    root = os.environ.get("SONDE_DATA")
    return [Path(root).expanduser() / chosen.folder, *own] if root else own


def _complete(chosen: PublicSet, folder: Path) -> bool:
    """Whether all its files are there, as published or in the local form."""
    forms = [names for names in ([file.name for file in chosen.files], chosen.local) if names]
    return any(all((folder / name).is_file() for name in names) for names in forms)


def _copied(source: Path, target: Path, report: Report | None) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(target.name + ".part")
        shutil.copyfile(source, beside)
        os.replace(beside, target)
    except OSError as error:
        raise _unwritable(target, error) from None
    if report:
        report(target.name, target.stat().st_size, target.stat().st_size)
    return target


def _fetch(name: str, chosen: PublicSet, folder: Path, report: Report | None) -> list[Path]:
    if chosen.made_of:
        sources = [obtained(other, report) for other in chosen.made_of]
        return [_copied(source, folder / source.name, report) for source in sources]
    if not chosen.files:
        advice = (chosen.advice or "").format(folder=folder)
        raise DataError(Problem("error", name, "this set has no public address", advice))
    return [folder / file.name if (folder / file.name).is_file() else download(file, folder, report) for file in chosen.files]


def download(file: File, folder: Path, report: Report | None = None) -> Path:
    """One file, from the first of its addresses that gives it whole.

    What has come is kept in `<name>.part` and taken up again, also by a later call.

    Raises
    ------
    DataError
        When no address gives it: each is named with what was wrong.
    """
    target, part = folder / file.name, folder / (file.name + ".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        said = []
        for url in file.urls:
            wrong = _from(url, file, part, report)
            if wrong is None:
                os.replace(part, target)
                return target
            said.append(f"{url}: {wrong}")
    except OSError as error:
        raise _unwritable(target, error) from None
    hash_line = f" (SHA-256 {file.sha256})" if file.sha256 else ""
    found = f"{file.name} could not be fetched:\n    " + "\n    ".join(said)
    raise DataError(Problem("error", str(folder), found, f"get it where there is a network{hash_line} and put it here: {target}"))


def _from(url: str, file: File, part: Path, report: Report | None) -> str | None:
    """Downloads from one address; None when the file is whole and right, else what is wrong with it."""
    wrong = "no answer"
    for _ in range(_TRIES):
        try:
            _transfer(url, file, part, report)
        except urllib.error.HTTPError as error:
            return f"HTTP {error.code} {error.reason}"
        except _Refused as error:
            return str(error)
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            reason = getattr(error, "reason", None) or error
            wrong = f"no connection, or it broke ({reason})"
            if not part.exists():
                return wrong  # nothing came at all: another try would do no better
            continue
        return _check(file, part)
    return wrong


class _Refused(Exception):
    """An answer that cannot be the file."""


class _CutShort(ConnectionError):
    """Fewer bytes than were announced."""


def _transfer(url: str, file: File, part: Path, report: Report | None) -> None:
    """Adds to `part` what it lacks."""
    have = part.stat().st_size if part.exists() else 0
    if file.size is not None and have >= file.size:
        if have == file.size:
            return
        part.unlink()
        have = 0
    headers = {"User-Agent": "sonde", "Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # what is there is not a beginning of what the address has
            part.unlink()
            _transfer(url, file, part, report)
            return
        raise
    with answer:
        resumed = answer.status == 206 and (answer.headers.get("Content-Range") or "").startswith(f"bytes {have}-")
        have = have if resumed else 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else file.size
        if file.size is not None and total != file.size:
            raise _Refused(f"the file there has {total:,} bytes, not {file.size:,}")
        with part.open("ab" if resumed else "wb") as stream:
            while piece := answer.read(_PIECE):
                stream.write(piece)
                have += len(piece)
                if report:
                    report(file.name, have, total)
            stream.flush()
            os.fsync(stream.fileno())
    if total is not None and have < total:
        raise _CutShort(f"{have:,} of {total:,} bytes came")


def _check(file: File, part: Path) -> str | None:
    """What is wrong with a whole file. A wrong one is deleted, so that the next address begins afresh."""
    size = part.stat().st_size
    if file.size is not None and size != file.size:
        part.unlink()
        return f"{size:,} bytes came, not {file.size:,}"
    if file.sha256 is not None:
        with part.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != file.sha256:
            part.unlink()
            return f"the file has SHA-256 {found}, not {file.sha256}"
    return None


def _unwritable(target: Path, error: OSError) -> DataError:
    found = f"the file cannot be written ({error.strerror or error})"
    return DataError(Problem("error", str(target), found, "make room, or set SONDE_CACHE to a folder that can be written to"))
