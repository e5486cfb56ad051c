"""What is at this path? `open_data` looks and hands over to the reader of that format."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl

from sonde.data import sets
from sonde.data.contents import Content, Examples, Part
from sonde.data.fingerprint import of_files, of_frame
from sonde.data.public_sets import SETS
from sonde.data.readers import bundled
from sonde.data.readers.archives import is_archive
from sonde.data.readers.arrays import is_array, read_arrays, read_npz, read_pair
from sonde.data.readers.class_folders import files_under, read_class_folders
from sonde.data.readers.frames import from_rows, is_frame, read_frame
from sonde.data.readers.idx import beside, is_idx, read_idx_folder
from sonde.data.readers.image_table import as_image_table
from sonde.data.readers.picture_archives import read_archive, read_archives
from sonde.data.readers.pictures import FilePictures, is_picture, mode_notes, modes
from sonde.data.readers.scenes import read_scenes, scene_files
from sonde.data.readers.series import as_series
from sonde.data.readers.squad import read_squad
from sonde.data.readers.table_parts import part_of, read_tables, single
from sonde.data.readers.tables import SUFFIXES, is_table, suffix
from sonde.data.readers.text_folders import is_even_file, read_text_file, read_text_folder, read_text_member
from sonde.data.readers.two_columns import as_text
from sonde.errors import DataError, Problem, nearest
from sonde.recipe import Data

# Formats that people have and Sonde does not open: suffix → what to do.
_REFUSED = {
    ".pt": "PyTorch files may run code when opened: save arrays with numpy.savez(path, x=…, y=…) or as safetensors",
    ".pkl": "pickles may run code when opened: save tables as CSV or Parquet, arrays with numpy.savez",
    ".xlsx": "save the sheet as CSV",
    ".h5": "save arrays with numpy.savez, tables as Parquet",
    ".rar": "pack it again as zip or tar",
    ".safetensors": "these are weights; data come as CSV, Parquet, .npz, class folders …",
}
_SAME = {".pth": ".pt", ".pickle": ".pkl", ".joblib": ".pkl", ".xls": ".xlsx", ".ods": ".xlsx", ".hdf5": ".h5", ".7z": ".rar"}
_REFUSED |= {other: _REFUSED[one] for other, one in _SAME.items()}
_FORMATS = "a table (CSV, TSV, Parquet, JSON lines), class folders or an archive of them, IDX files, .npz, or plain text (.txt)"


def known_sets() -> dict[str, str]:
    """Every set that can be had by name → one line about it: those that come along, then the public ones."""
    return bundled.SETS | {name: chosen.line for name, chosen in SETS.items()}


def open_data(source: object, data: Data | None = None, *, report: sets.Report | None = None) -> Content:
    """Examples and problems, whatever the format is.

    `source` is a path or the name of a set; a pandas or Polars frame; an array, a tensor or a pair (x, y) of them; a
    dictionary of arrays; a list of dictionaries (rows) or of picture paths. `data` says which columns count and whether
    examples that cannot be read are skipped; paths among it (`--test PATH`) are opened by whoever assembles the parts,
    and joined with `table_parts.with_part`. `report` is called while a set is fetched.

    Raises
    ------
    DataError
        Data that cannot be read: what, where, and what to do.
    """
    return _open(source, Data() if data is None else data, report)


def _open(source: object, data: Data, report: sets.Report | None) -> Content:
    if isinstance(source, Path):
        return _open_path(source, data)
    if isinstance(source, str):
        return _open_name(source, data, report)
    return _finished(_open_memory(source, data), data, Path.cwd())


def _finished(content: Content, data: Data, folder: Path) -> Content:
    """A table that names pictures as pictures, one of sentences as text, one that is a series as a series."""
    return as_series(as_text(as_image_table(content, data, folder), data), data)


def _open_memory(source: object, data: Data) -> Content:
    """Data that Python holds."""
    if is_frame(source):
        table = read_frame(source, "the frame")
        return single(table, origin="a frame in memory", name="frame", fingerprint=of_frame(table.examples.frame))
    if is_array(source):
        return read_pair((source, None), on_error=data.on_error)
    if isinstance(source, Mapping):
        return read_arrays(source, origin="arrays in memory", name="arrays", on_error=data.on_error)
    if isinstance(source, Sequence) and len(source):
        first = source[0]
        if all(isinstance(item, Mapping) for item in source):
            table = read_frame(from_rows(source, "the rows"), "the rows")
            return single(table, origin="rows in memory", name="rows", fingerprint=of_frame(table.examples.frame))
        if all(isinstance(item, (str, Path)) for item in source):
            return _pictures([Path(item) for item in source])
        if isinstance(source, (tuple, list)) and len(source) == 2 and (is_array(first) or is_frame(first) or isinstance(first, (list, tuple))):
            return _pair(source[0], source[1], data)
    found = f"data cannot be read from {type(source).__name__!r}"
    raise DataError(Problem("error", "the data", found, "give a path, a frame, (x, y), a dictionary of arrays, or a list of rows"))


def _pair(x: object, y: Any, data: Data) -> Content:
    """(x, y) where x may be a frame: y becomes a column beside its columns."""
    if not is_frame(x):
        return read_pair((x, y), on_error=data.on_error)
    table = read_frame(x, "the frame")
    name = str(getattr(y, "name", None) or "y")
    target = read_arrays({name: y}, origin="y", name=name).examples.frame.rename({"value": name}, strict=False)
    inputs = table.examples.frame
    if name in inputs.columns or target.height != inputs.height:
        found = f"x has a column {name!r} already" if name in inputs.columns else f"x has {inputs.height:,} rows and y {target.height:,}"
        raise DataError(Problem("error", "the data", found, "give one target for each row of x, under a name of its own"))
    frame = pl.concat([inputs, target], how="horizontal")
    whole = dataclasses.replace(table, examples=Examples(frame, lines=table.examples.lines))
    return dataclasses.replace(single(whole, origin="a frame in memory", name="frame", fingerprint=of_frame(frame)), target=name)


def _open_name(text: str, data: Data, report: sets.Report | None) -> Content:
    """An existing path, or the name of a set."""
    path = Path(text).expanduser()
    known = known_sets()
    if text in known and path.exists():
        found = f"{text!r} is both the name of a set and a {'folder' if path.is_dir() else 'file'} here"
        raise DataError(Problem("error", text, found, f"write ./{text} for what is here; for the set, go to another folder"))
    if path.exists():
        return _open_path(path, data)
    if text in bundled.SETS:
        return bundled.read_bundled(text)
    if text in SETS:
        chosen = SETS[text]
        if chosen.text is not None:  # languages of a set that has several
            target = (chosen.target,) if data.target in ((), ("target",)) else data.target
            data = data.model_copy(update={"text": data.text or chosen.text, "target": target})
        content = _open_path(sets.obtained(text, report), data)
        return dataclasses.replace(content, name=text, target=content.target if chosen.text else chosen.target or content.target)
    raise _nowhere(text, path, list(known))


def _nowhere(text: str, path: Path, known: Sequence[str]) -> DataError:
    """What to say of a path that does not exist: what is near it."""
    if not path.parent.is_dir():
        return DataError(Problem("error", text, "there is no such file or folder", f"{path.parent} is missing too; check the path"))
    beside = sorted(entry.name for entry in path.parent.iterdir())
    alone = path.name == text
    near = nearest(path.name, [*known, *beside] if alone else beside)
    if near is not None:
        return DataError(Problem("error", text, "there is no such file or folder", f"did you mean {str(path.with_name(near))!r}?"))
    remedy = f"give a path, or one of the sets {', '.join(known)}" if alone else "check the path"
    return DataError(Problem("error", text, "there is no such file or folder" + (", and no set of this name" if alone else ""), remedy))


def _open_path(path: Path, data: Data) -> Content:
    if not path.exists():
        raise _nowhere(str(path), path, [])
    try:
        questions = read_squad(path, data)
        if questions is not None:
            return questions
        files = scene_files(path)  # held until the end, so that no archive among them is read twice
        found = None if files is None else read_scenes(files, path, data)
        return found or (_open_folder(path, data) if path.is_dir() else _open_file(path, data))
    except PermissionError as error:
        raise DataError(Problem("error", str(error.filename or path), "this cannot be read (permission denied)", "change its permissions")) from None


def _open_file(path: Path, data: Data) -> Content:
    if is_archive(path):
        return read_text_member(path, data) or read_archive(path, on_error=data.on_error)
    if is_idx(path):
        return read_idx_folder(beside(path), on_error=data.on_error)
    if is_picture(path.name):
        return _pictures([path])
    if path.suffix.lower() in (".npz", ".npy"):
        return _finished(read_npz(path, on_error=data.on_error), data, path.parent)
    text = read_text_file(path, data)
    if text is not None:
        return text
    if is_table(path) or suffix(path) in SUFFIXES:
        return _finished(read_tables({"all": path}, data, origin=path), data, path.parent)
    remedy = _REFUSED.get(path.suffix.lower(), f"give {_FORMATS}")
    raise DataError(Problem("error", str(path), f"files of this kind ({path.suffix or 'no suffix'}) are not read", remedy))


def _pictures(paths: Sequence[Path]) -> Content:
    """Pictures by themselves, without labels: what `sonde predict` is often given."""
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise DataError([Problem("error", str(path), "there is no such file", "check the path") for path in missing])
    names = [str(path) for path in paths]
    store = FilePictures(tuple(paths), tuple(names))
    return Content(
        kind="images",
        origin=names[0] if len(names) == 1 else f"{len(names)} pictures",
        name=paths[0].stem,
        reason="a picture" if len(names) == 1 else f"{len(names)} pictures without labels",
        parts={"all": Examples(pl.DataFrame({"image": names}), store)},
        fingerprint=of_files(paths),
        files=tuple(paths),
        notes=tuple(mode_notes(modes(store, range(len(paths))))),
    )


def _open_folder(folder: Path, data: Data) -> Content:
    """A folder: by what lies in it, then by what lies in its subfolders."""
    entries = sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))
    idx = [entry for entry in entries if is_idx(entry)]
    if idx:
        return read_idx_folder(idx, on_error=data.on_error)
    archives = [entry for entry in entries if is_archive(entry)]
    if archives:
        return _archives(folder, archives, data)
    text = read_text_folder(folder, entries, data)
    if text is not None:
        return text
    tables = [entry for entry in entries if is_table(entry) and "submission" not in entry.name.lower()]
    arrays = [entry for entry in entries if entry.suffix.lower() in (".npz", ".npy")]
    deeper = [file for file in files_under(folder) if is_picture(file.name)]
    if tables:
        content = _tables(folder, tables, data, alone=not deeper)
        if content is not None:
            return content
    if deeper:
        return read_class_folders(folder, on_error=data.on_error)
    if len(arrays) == 1:
        return _open_file(arrays[0], data)
    text = read_text_folder(folder, files_under(folder), data, plain=True)
    if text is not None:
        return text
    even = [entry for entry in entries if entry.suffix.lower() == ".txt" and is_even_file(entry)]
    if even:
        content = _tables(folder, even, data, alone=True)
        assert content is not None
        return content
    inside = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    if not inside:
        raise DataError(Problem("error", str(folder), "the folder is empty", f"put {_FORMATS} there"))
    shown = ", ".join(inside[:6]) + (", …" if len(inside) > 6 else "")
    refused = next((_REFUSED[entry.suffix.lower()] for entry in entries if entry.suffix.lower() in _REFUSED), None)
    raise DataError(Problem("error", str(folder), f"nothing here can be read ({shown})", refused or f"give {_FORMATS}, or one of the files by name"))


def _archives(folder: Path, archives: Sequence[Path], data: Data) -> Content:
    if len(archives) == 1:
        content = read_archive(archives[0], on_error=data.on_error)
        return dataclasses.replace(content, origin=str(folder), name=folder.resolve().name)
    parts = {part_of(Path(path.name.split(".")[0] + ".csv")): path for path in archives}
    if None in parts or len(parts) < len(archives) or "train" not in parts:
        raise _which(folder, archives)
    return read_archives(cast(dict[Part, Path], parts), folder=folder, on_error=data.on_error)


def _tables(folder: Path, tables: Sequence[Path], data: Data, *, alone: bool) -> Content | None:
    """The tables of a folder: one, or parts by their names. Beside pictures (not `alone`) only a table that names them counts."""
    if len(tables) == 1:
        paths: dict[Part, Path] = {"all": tables[0]}
    else:
        named = {part_of(path): path for path in tables}
        if None in named or len(named) < len(tables) or "train" not in named:
            if not alone and data.images is None:
                return None
            raise _which(folder, tables)
        paths = cast(dict[Part, Path], named)
    content = _finished(read_tables(paths, data, origin=folder), data, folder)
    return content if alone or content.kind == "images" else None


def _which(folder: Path, files: Sequence[Path]) -> DataError:
    shown = ", ".join(file.name for file in files[:8]) + (", …" if len(files) > 8 else "")
    found = f"there are {len(files)} files that could be meant: {shown}"
    return DataError(Problem("error", str(folder), found, f"give one of them ({files[0]}), or name them train, validation and test"))
