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
from dataclasses import dataclass
from pathlib import Path

from sonde.data.readers.cache import cache_folder
from sonde.errors import DataError, Problem, UsageError, did_you_mean

Report = Callable[[str, int, int | None], None]  # file name, bytes that are there, bytes in all (None: unknown)

_TRIES = 3  # times that a broken download from one address is taken up again
_TIMEOUT = 30  # seconds without a byte
_PIECE = 2**18


@dataclass(frozen=True)
class File:
    """A file of a set: its addresses, and size and SHA-256 of the published file where they are known."""

    name: str
    urls: tuple[str, ...]
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class PublicSet:
    """A set. `local` are files that make it complete in other forms, such as a copy made for a classroom.

    `opens` is the file in its folder to open (empty: the folder); `advice` says where to get a set without an address.
    """

    line: str
    folder: str
    files: tuple[File, ...] = ()
    local: tuple[str, ...] = ()
    opens: str = ""
    target: str | None = None
    advice: str | None = None


def _files(addresses: tuple[str, ...], *files: tuple[str, str | None, int | None]) -> tuple[File, ...]:
    return tuple(File(name, tuple(address + name for address in addresses), sha256, size) for name, sha256, size in files)


_HANDSON = ("https://raw.githubusercontent.com/ageron/handson-ml2/master/datasets/", "https://cdn.jsdelivr.net/gh/ageron/handson-ml2@master/datasets/")
_PROPHET = ("https://raw.githubusercontent.com/facebook/prophet/main/examples/", "https://cdn.jsdelivr.net/gh/facebook/prophet@main/examples/")
_UCI = ("https://archive.ics.uci.edu/ml/machine-learning-databases/adult/",)

SETS: dict[str, PublicSet] = {
    "mnist": PublicSet(
        "60,000 and 10,000 handwritten digits, 28 × 28 grey, 10 classes (LeCun, Cortes, Burges)",
        "mnist",
        _files(
            ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
            ("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609", 9912422),
            ("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28881),
            ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1648877),
            ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4542),
        ),
    ),
    "fashion-mnist": PublicSet(
        "60,000 and 10,000 articles of clothing, 28 × 28 grey, 10 classes (Zalando)",
        "fashion_mnist",
        _files(
            (
                "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            ),
            ("train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", 26421880),
            ("train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", 29515),
            ("t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", 4422102),
            ("t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", 5148),
        ),
    ),
    "cifar10": PublicSet(
        "50,000 and 10,000 colour photographs, 32 × 32, 10 classes (Krizhevsky, Nair, Hinton)",
        "cifar10",
        _files(
            ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"),
            ("cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", 170052171),
        ),
        local=("train.tar.gz", "test.tar.gz"),
    ),
    "flowers": PublicSet(
        "3,670 photographs of flowers of varied sizes, 5 classes (TensorFlow's flower_photos)",
        "flowers",
        _files(
            ("https://storage.googleapis.com/download.tensorflow.org/example_images/", "http://download.tensorflow.org/example_images/"),
            ("flower_photos.tgz", None, 228813984),
        ),
        local=("flowers.tar",),
    ),
    "california-housing": PublicSet(
        "20,640 districts of California, 9 columns, median house value (Pace and Barry 1997)",
        "california_housing",
        (
            File(
                "housing.csv",
                tuple(f"{address}housing/housing.csv" for address in _HANDSON),
                "8a3727f4cf54ac1a327f69b1d5b4db54c5834ea81c6e4efc0d163300022a685e",
                1423529,
            ),
        ),
        opens="housing.csv",
        target="median_house_value",
    ),
    "house-prices": PublicSet(
        "1,460 houses of Ames, Iowa, 79 columns, sale price (Kaggle; De Cock 2011)",
        "house_prices",
        local=("train.csv",),
        target="SalePrice",
        advice="its competition's rules allow no direct download: join it at "
        "https://www.kaggle.com/c/house-prices-advanced-regression-techniques/data and put train.csv and test.csv into {folder}",
    ),
    "adult": PublicSet(
        "32,561 and 16,281 persons, 14 columns, income above 50,000 $ (UCI; Becker and Kohavi 1996)",
        "adult",
        _files(
            _UCI,
            ("adult.data", "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d", 3974305),
            ("adult.test", "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05", None),
        ),
        target="income",
    ),
    "titanic": PublicSet(
        "891 passengers, 11 columns, survived or not (Kaggle)",
        "titanic",
        (
            File(
                "train.csv",
                tuple(f"{address}titanic/train.csv" for address in _HANDSON),
                "14769fb1850e2d26d8e6db0ee49c213878040432827e39b13caaa15603c6598f",
                61904,
            ),
            File(
                "test.csv",
                tuple(f"{address}titanic/test.csv" for address in _HANDSON),
                "d88facfbcf53fe855b1c15290521aee9c61b3a6283631fa953983a95bacf1399",
                28932,
            ),
        ),
        target="Survived",
    ),
    "daily-views": PublicSet(
        "log daily views of an encyclopaedia article, 2,905 days from 2007-12-10 (Prophet's example)",
        "daily_views",
        (
            File(
                "wp_log_peyton_manning.csv",
                tuple(f"{address}example_wp_log_peyton_manning.csv" for address in _PROPHET),
                "6b1383a6f458e317c5da0488abaf2cadccd7e80c84c7a543d084e1159d5bfa56",
                86845,
            ),
        ),
        opens="wp_log_peyton_manning.csv",
        target="y",
    ),
    "daily-views-r": PublicSet(
        "the same of another article, 2,863 days from 2008, rows not in order (Prophet's example)",
        "daily_views",
        (
            File(
                "wp_log_R.csv",
                tuple(f"{address}example_wp_log_R.csv" for address in _PROPHET),
                "6be7cee8ce25f97e7bdf30444847e8fd36335c25611195b0bdc20f57ab06944e",
                85609,
            ),
        ),
        opens="wp_log_R.csv",
        target="y",
    ),
}


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
