"""Archives: read in place by any thread, refused where a member's name leads elsewhere, errors for damage."""

from __future__ import annotations

import io
import posixpath
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sonde.data.readers import archives
from sonde.data.readers.archives import is_archive, open_archive, stem, unsafe
from sonde.data.readers.cifar import CLASSES
from sonde.data.readers.picture_archives import read_archive, read_archives
from sonde.errors import DataError

FORMS = ["tar", "tar.gz", "tgz", "tar.bz2", "tar.xz", "zip"]


def png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (3, 2), shade).save(stream, "PNG")
    return stream.getvalue()


def pack(path: Path, members: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return path
    modes = {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz", "tar": "w"}
    with tarfile.open(path, modes[path.name.rsplit(".", 1)[-1]]) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def folders(prefix: str = "", classes: tuple[str, ...] = ("a", "b")) -> dict[str, bytes]:
    return {f"{prefix}{label}/{number}.png": png(10 * place + number) for place, label in enumerate(classes) for number in (1, 2)}


@pytest.mark.parametrize("form", FORMS)
def test_class_folders_in_archives(tmp_path: Path, form: str) -> None:
    path = pack(tmp_path / f"pets.{form}", {"pets/readme.txt": b"x"} | folders("pets/"))
    content = read_archive(path)
    assert (content.name, content.reason) == ("pets", "2 class folders with 4 pictures, in an archive")
    examples = content.parts["all"]
    assert examples.frame["label"].to_list() == ["a", "a", "b", "b"]
    assert examples.frame["image"][0] == f"pets.{form}:pets/a/1.png"
    assert examples.pictures is not None
    assert [int(examples.pictures.read(row)[0, 0, 0]) for row in (3, 0, 2, 1)] == [12, 1, 11, 2]
    assert content.notes == ("1 file (pets/readme.txt): not pictures, left out",)


@pytest.mark.parametrize("form", FORMS)
def test_many_threads_may_read(tmp_path: Path, form: str) -> None:
    members = {f"a/{number}.png": png(number) for number in range(100)}
    archive = open_archive(pack(tmp_path / f"x.{form}", members))
    order = np.random.default_rng(0).permutation(100)
    with ThreadPoolExecutor(8) as pool:
        shades = list(pool.map(lambda row: int(archive.read(row)[0, 0, 0]), order.tolist()))
    assert shades == [int(archive.members[row].split("/")[1].split(".")[0]) for row in order]


def test_parts_inside_an_archive(tmp_path: Path) -> None:
    content = read_archive(pack(tmp_path / "x.zip", folders("x/train/") | folders("x/val/")))
    assert {part: len(examples) for part, examples in content.parts.items()} == {"train": 4, "validation": 4}


def test_several_archives_are_parts(tmp_path: Path) -> None:
    paths = {
        "train": pack(tmp_path / "train.tar.gz", folders("train/")),
        "test": pack(tmp_path / "test.zip", folders("test/", ("b", "c"))),
    }
    content = read_archives(paths, folder=tmp_path)  # type: ignore[arg-type]
    assert content.parts["train"].frame["label"].to_list() == ["a", "a", "b", "b"]
    assert content.parts["test"].frame["image"].to_list()[0] == "test.zip:test/b/1.png"
    assert content.parts["test"].pictures is not None
    assert int(content.parts["test"].pictures.read(3)[0, 0, 0]) == 12
    assert [problem.level for problem in content.problems] == ["warning", "error"]
    assert "a class that the training part lacks" in content.problems[1].found


def test_a_large_compressed_archive_is_decompressed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(archives, "MEMORY", 100)
    for form in ("tar.gz", "tar.bz2", "tar.xz"):
        content = read_archive(pack(tmp_path / f"x.{form}", folders()))
        assert content.parts["all"].pictures is not None
        assert int(content.parts["all"].pictures.read(3)[0, 0, 0]) == 12
        assert content.parts["all"].frame["image"][0] == f"x.{form}:a/1.png"
    assert len(list((tmp_path / "cache/archives").iterdir())) == 3


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "what"), [("/etc/1.png", "an absolute path"), ("a/../../1.png", r"a path with \.\."), ("C:/1.png", "an absolute path")])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, form: str, name: str, what: str) -> None:
    path = pack(tmp_path / f"x.{form}", folders() | {name: png(0)})
    with pytest.raises(DataError, match=rf"x.{form}: member '{name}': the archive holds {what}, which is refused\n  → unpack it yourself"):
        open_archive(path)


@pytest.mark.parametrize("form", ["tar", "tar.gz"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_tars_are_refused(tmp_path: Path, form: str, kind: bytes) -> None:
    path = tmp_path / f"x.{form}"
    with tarfile.open(path, "w:gz" if form == "tar.gz" else "w") as archive:
        entry = tarfile.TarInfo("a/1.png")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(DataError, match=r"member 'a/1.png': the archive holds a (link \(to '/etc/passwd'\)|device or pipe), which is refused"):
        open_archive(path)


def test_links_in_zips_are_refused(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("a/1.png")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(DataError, match=r"member 'a/1.png': the archive holds a link, which is refused"):
        open_archive(tmp_path / "x.zip")


@settings(deadline=None, max_examples=100)
@given(st.text(st.sampled_from("ab./\\:C\0"), min_size=1, max_size=12))
def test_names_that_are_let_through_stay_inside(name: str) -> None:
    """A name without complaint, joined to a folder, leads to a place below it, with either kind of separator."""
    if unsafe(name) is None:
        for written in (name, name.replace("\\", "/")):
            assert posixpath.normpath(posixpath.join("/base/folder", written)).startswith("/base/folder")


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(["..", "a", ".", ""]), min_size=1, max_size=5), st.sampled_from("/\\"))
def test_names_that_climb_are_refused(pieces: list[str], separator: str) -> None:
    if ".." in pieces:
        assert unsafe(separator.join(pieces)) is not None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("damage", ["cut", "text"])
def test_damaged_archives(tmp_path: Path, form: str, damage: str) -> None:
    members = {f"a/{number}.png": np.random.default_rng(number).bytes(2000) for number in range(20)}
    path = pack(tmp_path / f"x.{form}", members)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"no archive at all" * 40)
    with pytest.raises(DataError, match=rf"x.{form}: the archive is damaged or cut short \(.*\)\n  → fetch or copy it again"):
        open_archive(path)


@pytest.mark.parametrize("stored", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_member_of_a_zip_is_named(tmp_path: Path, stored: int) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", stored) as archive:
        archive.writestr("a/1.png", np.random.default_rng(0).bytes(500))
    data = bytearray(path.read_bytes())
    data[200] ^= 255
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"x.zip:a/1.png: the archive is damaged"):
        open_archive(path).read(0)


def test_a_zip_member_that_grows_beyond_what_it_claims(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.png", bytes(10**6))
    data = path.read_bytes()
    path.write_bytes(data.replace((10**6).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    with pytest.raises(DataError, match=r"x.zip:a/1.png: the archive is damaged: size or checksum differ"):
        open_archive(path).source(0)


def test_encrypted_and_oddly_compressed_members(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a/1.png", png(1))
    with pytest.raises(DataError, match=r"x.zip:a/1.png: compression method 12 is not read\n  → pack the archive again"):
        open_archive(path).read(0)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"the archive holds an encrypted file, which is refused"):
        open_archive(path)


def test_a_picture_that_is_none_is_named_by_member(tmp_path: Path) -> None:
    content = read_archive(pack(tmp_path / "x.tar", folders() | {"a/3.jpg": b"a text file"}))
    assert content.parts["all"].pictures is not None
    with pytest.raises(DataError, match=r"x.tar:a/3.jpg: this is not a picture: it begins with 'a text file'"):
        content.parts["all"].pictures.read(2)


def test_archives_of_tables_and_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the archive holds tables \(train.csv\), not pictures\n  → unpack it and give the folder"):
        read_archive(pack(tmp_path / "x.zip", {"train.csv": b"a,b\n1,2\n"}))
    with pytest.raises(DataError, match=r"there is no file here"):
        read_archive(pack(tmp_path / "y.zip", {}))


def test_cifar_batches(tmp_path: Path) -> None:
    """The publisher's records: a label, then 32 × 32 red, green and blue bytes."""
    records = np.zeros((3, 3073), dtype=np.uint8)
    records[:, 0] = [3, 9, 0]
    records[1, 1 : 1 + 1024] = 7  # red
    records[1, 2] = 8  # red of the second pixel of the first row
    members = {f"cifar-10-batches-bin/{name}.bin": records.tobytes() for name in ("data_batch_1", "data_batch_2", "test_batch")}
    content = read_archive(pack(tmp_path / "cifar-10-binary.tar.gz", members))
    assert {part: len(examples) for part, examples in content.parts.items()} == {"train": 6, "test": 3}
    train = content.parts["train"]
    assert train.frame["label"].to_list() == ["cat", "truck", "airplane"] * 2
    assert train.pictures is not None
    assert train.pictures.read(1)[0, :3].tolist() == [[7, 0, 0], [8, 0, 0], [7, 0, 0]]
    assert len(CLASSES) == 10


@pytest.mark.parametrize(
    ("data", "message"),
    [(bytes(3072), r"test_batch.bin: 3,072 bytes are no whole number of records"), (b"\x0a" + bytes(3072), r"offset 0: record 0 has label 10")],
)
def test_damaged_cifar_batches(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_archive(pack(tmp_path / "x.tar.gz", {"test_batch.bin": data}))


def test_names_of_archives() -> None:
    assert is_archive(Path("Train.TAR.GZ"))
    assert not is_archive(Path("train.gz"))
    assert stem(Path("train.tar.gz")) == "train"
    assert stem(Path("pets.v2.zip")) == "pets.v2"
