"""Pictures with a mask each: lists of pairs (CamVid's train.txt), Pascal VOC's SegmentationClass, or folders images/ and masks/.

The frame has the columns image, mask (their names), width and height. Masks are palette or grey PNGs whose values are class numbers,
255 none, or pictures whose colours stand for classes (label_colors.txt, or VOC's palette).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import polars as pl

from sonde.data.contents import Chosen, Content, Examples, Part
from sonde.data.fingerprint import of_files
from sonde.data.readers.class_folders import PART_NAMES, PARTS
from sonde.data.readers.files import Files
from sonde.data.readers.leave_out import leave_out
from sonde.data.readers.mask_planes import VOID, Coding, MaskPlanes, raw, shown
from sonde.data.readers.parts import part_in
from sonde.data.readers.pictures import is_picture, mode_notes, modes
from sonde.errors import DataError, Problem
from sonde.recipe import Data

LOOKED_AT = 1000  # masks that are looked at to see which values there are, where no list of classes says so
ASPECT = 32.0
_NAMES = ("classes.txt", "codes.txt", "label_names.txt", "labelmap.txt", "labels.txt")
_COLOURS = ("label_colors.txt", "label_colours.txt", "class_dict.csv", "labelmap.txt", "colormap.txt")
_UNNAMED = ("void", "unlabelled", "unlabeled", "ignore", "ignored")
_MASKS = ("masks", "mask", "labels", "annotations", "annots", "gt", "ground_truth", "groundtruth", "segmentation", "targets", "segmentationclass")
_IMAGES = ("images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "input", "inputs")
# The 20 classes of Pascal VOC in the order of their numbers, and the 11 of CamVid as SegNet's authors reduced it (11: unlabelled).
VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
CAMVID = ("sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian", "bicyclist")

Pair = tuple[int | None, int | None, Part, str]  # numbers of picture and mask among the files, part, where it is said


def read_masks(files: Files, path: Path, data: Data) -> Content | None:
    """The pairs of pictures and masks among `files`; None where there are none. Raises DataError where no class can be told."""
    pairs, form = _listed(files), "a list of pairs"
    if not pairs:
        pairs, form = _voc(files), "Pascal VOC masks"
    if not pairs:
        pairs, form = _folders(files), "folders of pictures and masks"
    if not pairs:
        return None
    whole = [pair for pair in pairs if pair[1] is not None]
    if not whole:
        raise DataError(Problem("error", str(path), "none of the masks that are named is there", "check the names in the lists"))
    coding, classes, notes = _coding(files, [pair[1] for pair in whole if pair[1] is not None], voc=form.startswith("Pascal"), data=data)
    sizes = _sizes(files, [pair[0] for pair in pairs])
    problems = _wrong(files, pairs, sizes)
    parts: dict[Part, Examples] = {}
    said: list[Problem] = []
    for part in PARTS:
        rows = [i for i, pair in enumerate(pairs) if pair[2] == part]
        if rows:
            examples = _examples(files, [pairs[i] for i in rows], sizes[rows], coding, classes)
            mine = {i: number for number, i in enumerate(rows)}
            wrong = [Problem(p.level, p.where, p.found, p.remedy, mine[p.example]) for p in problems if p.example in mine]
            parts[part], left = leave_out(examples, wrong, data.on_error)
            said += left
    named = "" if "all" in parts else f" in {', '.join(parts)}"
    pictures = [pair[0] for pair in pairs if pair[0] is not None]
    return Content(
        kind="masks",
        origin=str(path),
        name=path.resolve().name.split(".")[0],
        reason=f"{form}: {sum(map(len, parts.values())):,} pictures with a mask each of {len(classes)} classes{named}",
        parts=parts,
        fingerprint=of_files(files.opened, files.origin if files.origin.is_dir() else None),
        target="mask",
        files=files.opened,
        problems=tuple(said),
        notes=(*notes, *mode_notes(modes(files, np.array(pictures)))),
    )


def _examples(files: Files, pairs: Sequence[Pair], sizes: np.ndarray, coding: Coding, classes: tuple[str, ...]) -> Examples:
    images = np.array([-1 if image is None else image for image, _, _, _ in pairs], dtype=np.int64)
    masks = [-1 if mask is None else mask for _, mask, _, _ in pairs]
    frame = pl.DataFrame(
        {
            "image": [files.name(int(i)) if i >= 0 else "" for i in images],
            "mask": [files.name(i) if i >= 0 else None for i in masks],
            "width": sizes[:, 0],
            "height": sizes[:, 1],
        },
        schema={"image": pl.String, "mask": pl.String, "width": pl.Int64, "height": pl.Int64},
    )
    return Examples(frame, Chosen(files, images), masks=MaskPlanes(files, masks, coding), classes=classes)


def _listed(files: Files) -> list[Pair]:
    """Pairs from lists such as CamVid's train.txt: a picture and its mask a line."""
    lists = [i for i in files.ending(".txt") if PurePosixPath(files.names[i]).stem.lower() in PART_NAMES]
    pairs: list[Pair] = []
    for index in lists:
        rows = [line.split() for line in files.text(index).splitlines() if line.strip()]
        if not rows or any(len(row) != 2 or not all(map(is_picture, row)) for row in rows):
            continue
        part, near = PART_NAMES[PurePosixPath(files.names[index]).stem.lower()], files.names[index].rpartition("/")[0]
        for line, (image, mask) in enumerate(rows, 1):
            where = f"{files.name(index)}, line {line}"
            pairs.append((files.find(image, near=near), files.find(mask, near=near), part, f"{where} ({image} {mask})"))
    parts = {pair[2] for pair in pairs}
    return pairs if "train" in parts or not parts else [(image, mask, "all", where) for image, mask, _, where in pairs]


def _voc(files: Files) -> list[Pair]:
    """Pascal VOC: SegmentationClass/x.png beside JPEGImages/x.jpg, parts in ImageSets/Segmentation."""
    masks = [i for i in files.pictures if PurePosixPath(files.names[i]).parent.name == "SegmentationClass"]
    if not masks:
        return []
    lists: dict[str, Part] = {}
    for index in files.ending(".txt"):
        place = PurePosixPath(files.names[index])
        if place.parent.name == "Segmentation" and place.stem in PART_NAMES:
            lists |= {line.strip(): PART_NAMES[place.stem] for line in files.text(index).splitlines() if line.strip()}
    pairs: list[Pair] = []
    for mask in masks:
        place = PurePosixPath(files.names[mask])
        if lists and place.stem not in lists:
            continue
        image = files.find(place.stem, near=str(place.parent.parent / "JPEGImages"), stem=True)
        pairs.append((None if image == mask else image, mask, lists.get(place.stem, "all"), files.name(mask)))
    return pairs


def _folders(files: Files) -> list[Pair]:
    """Folders of pictures beside folders of masks: images/ and masks/, train/ and trainannot/, with parts inside or outside."""
    folders = {name.rpartition("/")[0] for name in files.names if name.lower().endswith(".png")}
    if not any(_key(f"{folder}/x.png", _MASKS, annotated=True) for folder in folders):
        return []
    masks = {key: i for i in files.pictures if (key := _key(files.names[i], _MASKS, annotated=True)) is not None and files.names[i].lower().endswith(".png")}
    if not masks:
        return []
    pairs: list[Pair] = []
    images = {key: i for i in files.pictures if (key := _key(files.names[i], _IMAGES)) is not None and i not in set(masks.values())}
    shared = sorted(set(images) & set(masks))
    if len(shared) * 2 < len(masks):
        return []
    found = {key: part_in(key[0]) for key in images}
    given = "train" in found.values() and len(set(found.values()) - {None}) > 1
    for key in sorted(images):
        part: Part = (found[key] or "train") if given else "all"
        pairs.append((images[key], masks.get(key), part, files.name(images[key])))
    return pairs


def _key(name: str, folders: Sequence[str], *, annotated: bool = False) -> tuple[str, str] | None:
    """The folders around one of `folders` in a path, and the file's stem without such endings as _mask; None where none is there."""
    pieces = name.split("/")
    stem = re.sub(r"[_-](mask|label|gt|labels|seg|l)$", "", pieces[-1].rsplit(".", 1)[0], flags=re.IGNORECASE)
    for place in range(len(pieces) - 2, -1, -1):
        here = pieces[place].lower()
        if here in folders:
            return "/".join([*pieces[:place], *pieces[place + 1 : -1]]), stem
        part = re.sub(r"(annot|_?masks?|_?labels?)$", "", here)
        if part in PART_NAMES and (part != here) == annotated:
            return "/".join([*pieces[:place], part, *pieces[place + 1 : -1]]), stem
    return None


def _sizes(files: Files, images: Sequence[int | None]) -> np.ndarray:
    """(width, height) of each picture, int64; 0 where it is not there."""
    sizes = np.zeros((len(images), 2), dtype=np.int64)
    there = [place for place, image in enumerate(images) if image is not None]
    sizes[there] = files.sizes([image for image in images if image is not None])
    return sizes


def _wrong(files: Files, pairs: Sequence[Pair], sizes: np.ndarray) -> list[Problem]:
    """Pictures and masks that are missing, masks of another size, and pictures that are mere lines."""
    skip = "`--on-error skip` leaves the picture out"
    theirs = _sizes(files, [mask for _, mask, _, _ in pairs])
    problems = []
    for i, (image, mask, _, where) in enumerate(pairs):
        width, height = sizes[i]
        if image is None or mask is None:
            what = "picture" if image is None else "mask"
            problems.append(Problem("error", where, f"the {what} is not there", f"put it there, or remove its partner; {skip}", i))
        elif width and theirs[i, 0] and (theirs[i] != sizes[i]).any():
            said = f"the mask has {theirs[i, 0]} × {theirs[i, 1]} pixels, and its picture {files.name(image)} has {width} × {height}"
            problems.append(Problem("error", files.name(mask), said, f"save it in the picture's size, without smoothing; {skip}", i))
        elif min(width, height) and max(width, height) > ASPECT * min(width, height):
            said = f"the picture is {width} × {height:,} pixels: scaled down as a whole, nothing of it would be left"
            problems.append(Problem("error", files.name(image), said, f"cut it into pieces; {skip}", i))
        elif not width:
            problems.append(Problem("error", files.name(image), "the size of the picture cannot be read", f"is it damaged? Replace it; {skip}", i))
    return problems


def _coding(files: Files, masks: Sequence[int], *, voc: bool, data: Data) -> tuple[Coding, tuple[str, ...], list[str]]:
    """What the values mean, the names of the classes, and what is to be said about it."""
    chosen = [masks[int(i)] for i in np.unique(np.linspace(0, len(masks) - 1, min(LOOKED_AT, len(masks))).astype(np.int64))]
    seen = [each for each in files.each(lambda i: _values(files, i), chosen) if each is not None]
    if not seen:
        raise DataError(Problem("error", files.name(masks[0]), "none of the masks can be read, this one first", "save masks as PNG"))
    coloured = Counter(each[1] for each in seen).most_common(1)[0][0]
    values = sorted(set[int]().union(*(each[0] for each in seen if each[1] == coloured)))
    if coloured:
        return _by_colour(files, values, voc=voc)
    names = _names(files)
    void = {VOID, *(data.void or ())}
    annotated = any(PurePosixPath(files.names[i]).parent.name.endswith("annot") for i in masks)
    if not names and annotated and set(values) <= {*range(len(CAMVID) + 1), VOID} and len(values) > 2:
        names = [*CAMVID, "unlabelled"]
    if not names and voc and max(value for value in values if value != VOID) < len(VOC):
        names = list(VOC)
    if not names and set(values) <= {0, VOID} and not any(each[2] == "P" for each in seen) and not data.void:
        return Coding({0: 0, VOID: 1}), ("background", "foreground"), ["masks hold 0 and 255 alone: 255 is taken for the foreground"]
    if not names:
        names = [str(value) for value in range(max((value for value in values if value not in void), default=0) + 1)]
    unnamed = {number for number, name in enumerate(names) if name.lower() in _UNNAMED}
    void |= unnamed
    if len(names) - len(unnamed) > VOID:
        found = f"masks hold values up to {max(values)}, more than the {VOID} classes that there can be"
        raise DataError(Problem("error", files.name(masks[0]), found, "save class numbers from 0 up, 255 for pixels without a class"))
    kept = [number for number in range(len(names)) if number not in void]
    numbers = {value: place for place, value in enumerate(kept)} | dict.fromkeys(void, VOID)
    said = sorted(void & set(values))
    notes = [f"pixels of value {', '.join(map(str, said))} have no class: neither learned nor measured"] if said else []
    return Coding(numbers), tuple(names[number] for number in kept), notes


def _values(files: Files, index: int) -> tuple[set[int], bool, str] | None:
    try:
        values, coloured, mode = raw(files.source(index), files.name(index))
    except DataError:  # named where it is decoded
        return None
    return set(np.unique(values).tolist()), coloured, mode


def _names(files: Files) -> list[str]:
    for name in _NAMES:
        index = files.find(name)
        if index is not None:
            lines = [line.strip() for line in files.text(index).splitlines() if line.strip() and not line.startswith("#")]
            if not any(re.match(r"\d+[\s,]+\d+[\s,]+\d+", line) or re.search(r":\d+,\d+,\d+:", line) for line in lines):
                return [re.sub(r"^\d+\s*[:,\t ]\s*", "", line) for line in lines]
    return []


def _by_colour(files: Files, values: list[int], *, voc: bool) -> tuple[Coding, tuple[str, ...], list[str]]:
    """Colours from a file that lists them, else VOC's palette where all are of it."""
    listed = _colours(files)
    if not listed and set(values) <= {*voc_palette(), *[224 << 16 | 224 << 8 | 192]} and voc:
        listed = dict(zip(voc_palette(), VOC, strict=True)) | {224 << 16 | 224 << 8 | 192: "void"}
    if not listed:
        if len(values) > 64:
            found = f"masks hold {len(values):,} colours, too many to be classes (saved as JPEG, or smoothed?)"
            raise DataError(Problem("error", str(files.origin), found, "save masks as PNG without smoothing, or class numbers as grey values"))
        shades = ", ".join(shown(value, True) for value in values)
        listed = {value: shown(value, True) for value in values}
        note = [f"the colours of the masks have no names ({shades}): put label_colors.txt there, a line `r g b name` each"]
    else:
        note = []
    kept = [value for value, name in listed.items() if name.lower() not in _UNNAMED]
    numbers = {value: kept.index(value) if value in kept else VOID for value in listed}
    palette = tuple((value >> 16, value >> 8 & 255, value & 255) for value in kept)
    return Coding(numbers, True, palette), tuple(listed[value] for value in kept), note


def _colours(files: Files) -> dict[int, str]:
    """Colour → name from label_colors.txt (`r g b name`), class_dict.csv (`name,r,g,b`) or labelmap.txt (`name:r,g,b::`)."""
    found: dict[int, str] = {}
    for name in _COLOURS:
        index = files.find(name)
        if index is None:
            continue
        for line in files.text(index).splitlines():
            first = re.match(r"\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)[\s,]+(\S.*?)\s*$", line)
            last = re.match(r"\s*([^:,#][^:,]*)[:,]\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)", line)
            if first:
                found[int(first[1]) << 16 | int(first[2]) << 8 | int(first[3])] = first[4]
            elif last:
                found[int(last[2]) << 16 | int(last[3]) << 8 | int(last[4])] = last[1].strip()
        if found:
            return found
    return found


def voc_palette(count: int = len(VOC)) -> list[int]:
    """The colours of Pascal VOC's classes: the bits of a class number, three by three, from the top bit of red, green and blue down."""
    numbers = np.arange(count)
    colours = np.zeros((count, 3), dtype=np.int64)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= ((numbers >> (3 * bit + channel)) & 1) << (7 - bit)
    return [int(r << 16 | g << 8 | b) for r, g, b in colours]
