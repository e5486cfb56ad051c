"""Named sets: where they are looked for, and downloads that resume, check and fall back."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sonde.data import sets
from sonde.data.public_sets import SETS, File, PublicSet
from sonde.data.sets import download, fetch, located, obtained
from sonde.errors import DataError, UsageError

CONTENT = bytes(range(256)) * 400
HASH = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """A local server: what it gives at each path, how much before it hangs up (once), and what was asked of it."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: dict[str, int] = field(default_factory=dict)
    ranges: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server(files={"/good": CONTENT, "/bad": b"x" * len(CONTENT), "/short": CONTENT[:100]})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append((self.path, wanted))
            if self.path not in state.files:
                self.send_error(404)
                return
            data = state.files[self.path]
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and state.ranges else 0
            if start >= len(data):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            cut = state.cut_after.pop(self.path, None)
            self.wfile.write(data[start:] if cut is None else data[start : start + cut])

        def log_message(self, *arguments: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{running.server_port}"
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield state
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, no sets on this machine, a cache of our own."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "SONDE_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path / "cache"))


def file(server: Server, *paths: str, sha256: str | None = HASH, size: int | None = len(CONTENT)) -> File:
    return File("f.bin", tuple(server.address + path for path in paths), sha256, size)


def closed() -> str:
    """An address where nobody answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/f"


def test_a_download(server: Server, tmp_path: Path) -> None:
    said: list[tuple[str, int, int | None]] = []
    found = download(file(server, "/good"), tmp_path, lambda *step: said.append(step))
    assert found.read_bytes() == CONTENT
    assert [entry.name for entry in tmp_path.iterdir()] == ["f.bin"]
    assert said[-1] == ("f.bin", len(CONTENT), len(CONTENT))
    assert server.asked == [("/good", None)]


def test_a_broken_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.cut_after["/good"] = 1000
    assert download(file(server, "/good"), tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/good", None), ("/good", "bytes=1000-")]


def test_a_later_call_goes_on_too(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f.bin.part").write_bytes(CONTENT[:5000])
    assert download(file(server, "/good"), tmp_path).read_bytes() == CONTENT
    assert server.asked == [("/good", "bytes=5000-")]


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_whole_part_needs_only_its_name(server: Server, tmp_path: Path, size: int | None) -> None:
    (tmp_path / "f.bin.part").write_bytes(CONTENT)
    assert download(file(server, "/good", size=size), tmp_path).read_bytes() == CONTENT
    assert server.asked == ([] if size else [("/good", f"bytes={len(CONTENT)}-"), ("/good", None)])


def test_a_server_that_cannot_resume_begins_again(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.cut_after["/good"] = 1000
    assert download(file(server, "/good"), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("first", ["/missing", "/bad", "/short"])
def test_the_second_address_is_tried(server: Server, tmp_path: Path, first: str) -> None:
    assert download(file(server, first, "/good"), tmp_path).read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == [first, "/good"]


def test_an_address_without_answer(server: Server, tmp_path: Path) -> None:
    wanted = File("f.bin", (closed(), server.address + "/good"), HASH, len(CONTENT))
    assert download(wanted, tmp_path).read_bytes() == CONTENT


def test_every_address_is_named_with_what_was_wrong(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        download(file(server, "/missing", "/bad", "/short"), tmp_path)
    said = str(raised.value)
    wrong = hashlib.sha256(server.files["/bad"]).hexdigest()
    assert f"{tmp_path}: f.bin could not be fetched:" in said
    assert f"{server.address}/missing: HTTP 404 Not Found" in said
    assert f"{server.address}/bad: the file has SHA-256 {wrong}, not {HASH}" in said
    assert f"{server.address}/short: the file there has 100 bytes, not {len(CONTENT):,}" in said
    assert f"→ get it where there is a network (SHA-256 {HASH}) and put it here: {tmp_path}/f.bin" in said
    assert list(tmp_path.glob("f.bin*")) == []


def test_no_network(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no connection, or it broke \(.*\)\n  → get it where there is a network and put it here: .*f.bin"):
        download(File("f.bin", (closed(),)), tmp_path)


def test_a_folder_that_cannot_be_written_to(server: Server, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DataError, match=r"taken/f.bin: the file cannot be written \(.*\)\n  → make room, or set SONDE_CACHE"):
        download(file(server, "/good"), tmp_path / "taken")


@pytest.fixture
def tiny(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A set of two files on the local server; also complete with one file of another name."""
    server.files |= {"/train.csv": b"a,y\n1,2\n", "/test.csv": b"a,y\n3,4\n"}
    files = tuple(File(name, (f"{server.address}/{name}",)) for name in ("train.csv", "test.csv"))
    monkeypatch.setitem(sets.SETS, "tiny", PublicSet("a set for tests", "tiny_folder", files, local=("all.csv",)))
    return "tiny"


def test_a_set_is_fetched_once(server: Server, tiny: str, tmp_path: Path) -> None:
    assert located(tiny) is None
    folder = obtained(tiny)
    assert folder == tmp_path / "cache/sets/tiny_folder"
    assert sorted(entry.name for entry in folder.iterdir()) == ["test.csv", "train.csv"]
    server.files.clear()
    assert obtained(tiny) == folder == located(tiny)


@pytest.mark.parametrize("names", [("train.csv", "test.csv"), ("all.csv",)])
def test_sonde_data_comes_first(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]) -> None:
    obtained(tiny)
    folder = tmp_path / "data/tiny_folder"
    folder.mkdir(parents=True)
    monkeypatch.setenv("SONDE_DATA", str(tmp_path / "data"))
    assert located(tiny) == tmp_path / "cache/sets/tiny_folder"  # not complete there yet
    for name in names:
        (folder / name).write_text("a,y\n")
    assert located(tiny) == folder


def test_fetching_for_a_machine_without_network(server: Server, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = fetch(tiny, tmp_path / "stick")
    assert [path.relative_to(tmp_path) for path in written] == [Path("stick/tiny_folder/train.csv"), Path("stick/tiny_folder/test.csv")]
    server.files.clear()
    assert [path.name for path in fetch(tiny, tmp_path / "stick")] == ["test.csv", "train.csv"]  # again: there already
    monkeypatch.setenv("SONDE_DATA", str(tmp_path / "stick"))
    assert located(tiny) == tmp_path / "stick/tiny_folder"
    assert len(fetch(tiny, tmp_path / "other")) == 2  # copied from where it stands
    assert (tmp_path / "other/tiny_folder/train.csv").read_bytes() == b"a,y\n1,2\n"


def test_a_set_without_address_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"house-prices: this set has no public address\n  → .*kaggle.com/c/house-prices") as raised:
        obtained("house-prices")
    assert "put train.csv and test.csv into" in str(raised.value)
    assert str(tmp_path / "cache/sets/house_prices") in str(raised.value)


def test_a_set_is_made_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SONDE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SONDE_CACHE", str(tmp_path / "cache"))
    for name in SETS["two-books"].made_of:
        folder = tmp_path / "data" / SETS[name].folder
        folder.mkdir(parents=True)
        (folder / SETS[name].opens).write_text(f"This is {name}.\n", encoding="utf-8")
    found = obtained("two-books")
    assert sorted(path.name for path in found.iterdir()) == ["input.txt", "timemachine.txt"]
    assert located("two-books") == found


def test_unknown_sets() -> None:
    with pytest.raises(UsageError, match=r"there is no public set 'minst'\n  → did you mean 'mnist'\?"):
        obtained("minst")


def test_the_table_of_sets() -> None:
    """Every set has a line, and files with addresses, or advice; hashes are hashes."""
    for name, chosen in SETS.items():
        assert name == name.lower()
        assert "_" not in name
        assert chosen.line
        assert chosen.files or chosen.advice or set(chosen.made_of) <= SETS.keys()
        for entry in chosen.files:
            assert entry.urls
            assert all(url.startswith(("https://", "http://")) and url.endswith(entry.name) for url in entry.urls)
            assert entry.sha256 is None or (len(entry.sha256) == 64 and int(entry.sha256, 16) >= 0)
        if chosen.opens:
            assert chosen.opens in {entry.name for entry in chosen.files}


def test_local_copies_have_the_published_hashes(sonde_data: Path) -> None:
    """Files that are the published bytes; MNIST's and the French pairs are packed anew and are checked by what they hold instead."""
    compared = 0
    for name, chosen in SETS.items():
        for entry in chosen.files:
            path = sonde_data / chosen.folder / entry.name
            if path.exists() and name not in ("mnist", "adult", "fra-eng"):
                assert path.stat().st_size == entry.size
                assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256
                compared += 1
    assert compared >= 5
