"""Weights by the name of a hub model: through the hub's own library, or a word on what to fetch by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import safetensors.torch
import torch

from finetune.making import folders, trained
from sonde import models
from sonde.errors import RecipeError
from sonde.finetune import hub
from sonde.finetune.source import open_source
from sonde.recipe import Recipe

CONFIG = {
    "architecture": "resnet20",
    "label_names": ["cat", "dog", "hen"],
    "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]},
}


class Library(types.ModuleType):
    """What of huggingface_hub is used, with a folder in the place of the hub."""

    def __init__(self, repository: Callable[[str, str, str | None], Path]) -> None:
        super().__init__("huggingface_hub")
        self.errors = types.ModuleType("huggingface_hub.errors")
        for name, base in {
            "RepositoryNotFoundError": Exception,
            "RevisionNotFoundError": Exception,
            "EntryNotFoundError": Exception,
            "OfflineModeIsEnabled": ConnectionError,
            "HFValidationError": ValueError,
        }.items():
            setattr(self.errors, name, type(name, (base,), {}))
        self.errors.LocalEntryNotFoundError = type("LocalEntryNotFoundError", (self.errors.EntryNotFoundError,), {})  # type: ignore[attr-defined]
        self.silence: Exception | None = None  # what asking the hub ends with, where it does not answer
        self.asked: list[str] = []
        self.fetched: list[tuple[str, bool]] = []  # files, and whether of the cache alone
        self.repository = repository

    def hf_hub_url(self, name: str, file: str, *, revision: str | None = None) -> str:
        return f"{name}/{revision}/{file}"

    def get_hf_file_metadata(self, url: str) -> None:
        self.asked.append(url)
        if self.silence is not None:
            raise self.silence

    def hf_hub_download(self, name: str, file: str, *, revision: str | None = None, local_files_only: bool = False) -> str:
        self.fetched.append((file, local_files_only))
        return str(self.repository(name, file, revision))


def library(monkeypatch: pytest.MonkeyPatch, repository: Callable[[str, str, str | None], Path]) -> Library:
    found = Library(repository)
    monkeypatch.setitem(sys.modules, "huggingface_hub", found)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", found.errors)
    return found


def snapshot(folder: Path) -> Path:
    """A model's files as the hub has them."""
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    network = models.build("resnet20", {"channels": 3, "size": 32, "classes": 3})
    safetensors.torch.save_file(network.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def test_a_folder_with_a_config_says_model_labels_and_normalisation(tmp_path: Path) -> None:
    folder = snapshot(tmp_path / "model")
    start = Recipe().replace(
        data={"path": str(folders(tmp_path / "data", ("hen", "pig")))},
        model={"weights": str(folder), "keep_labels": "auto"},
        training={"epochs": 0, "compile": False},
    )
    run = trained(start, tmp_path / "run")
    assert run.preparation.mean == (0.1, 0.2, 0.3)
    assert run.preparation.std == (0.4, 0.5, 0.6)
    assert run.description["begun"]["kept_labels"] == ["hen"]
    old = safetensors.torch.load_file(folder / "model.safetensors")
    assert torch.equal(run.model.network.linear.weight[0], old["linear.weight"][2])


def test_other_forms_of_a_config(tmp_path: Path) -> None:
    folder = snapshot(tmp_path / "model")
    (folder / "config.json").write_text(json.dumps({"id2label": {"0": "ape", "1": "bee", "2": "cow"}, "architecture": "unheard_of"}))
    source = open_source(str(folder))
    assert (source.labels, source.model, source.normalisation) == (("ape", "bee", "cow"), None, None)
    (folder / "config.json").write_text("no JSON")
    assert open_source(str(folder)).labels is None


def test_a_name_is_fetched_file_by_file_with_its_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, asked = snapshot(tmp_path / "model"), []

    def repository(name: str, file: str, revision: str | None) -> Path:
        asked.append((name, file, revision))
        return folder / file

    library(monkeypatch, repository)
    assert open_source("some/resnet20@v1").model == "resnet20"
    assert asked == [("some/resnet20", "config.json", "v1"), ("some/resnet20", "model.safetensors", "v1")]


def test_what_can_go_wrong_with_a_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(RecipeError, match=r"some/model: .*huggingface_hub, which is not installed\n.*pip install 'sonde\[hub\]'.*hf download some/model"):
        hub.fetch("some/model")

    def failing(name: str) -> Library:
        found = library(monkeypatch, lambda *_: (_ for _ in ()).throw(getattr(found.errors, name)("no connection")))
        return found

    failing("RepositoryNotFoundError")
    with pytest.raises(RecipeError, match=r"there is no such path here, and the hub has no such model, or does not show it to you\n.*HF_TOKEN"):
        hub.fetch("some/model")
    failing("RevisionNotFoundError")
    with pytest.raises(RecipeError, match="the model has no revision 'v9'"):
        hub.fetch("some/model@v9")
    failing("EntryNotFoundError")
    with pytest.raises(RecipeError, match=r"the model has none of the files model\.safetensors, weights\.safetensors, pytorch_model\.bin"):
        hub.fetch("some/model")
    failing("HFValidationError")
    with pytest.raises(RecipeError, match="there is no such path here, and the hub has no such names"):
        hub.fetch("a--b/c")
    for offline in ("LocalEntryNotFoundError", "OfflineModeIsEnabled"):
        found = failing(offline)
        with pytest.raises(RecipeError) as caught:
            hub.fetch("some/model@v1")
        said = str(caught.value)
        assert [file for file, _ in found.fetched] == ["config.json"]  # the other files are not tried
        assert said.startswith("some/model@v1: there is no such path here; taken as a name on the hub: ")
        assert "the hub cannot be reached, and the model is not in the cache (no connection)" in said
        assert "hf download some/model config.json model.safetensors --revision v1 --local-dir model" in said
        assert "--weights model" in said


def test_a_hub_that_does_not_answer_is_asked_once_and_the_cache_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = snapshot(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    kept = library(monkeypatch, lambda _, file, __: folder / file)

    def cached(_: str, file: str, __: str | None) -> Path:
        if not (folder / file).exists():
            raise kept.errors.LocalEntryNotFoundError("not in the cache")
        return folder / file

    kept.repository, kept.silence = cached, RuntimeError("[Errno -2] Name or service not known")
    assert hub.fetch("some/resnet20") == folder
    assert kept.asked == ["some/resnet20/None/config.json"]
    assert kept.fetched == [("config.json", True), ("model.safetensors", True), ("weights.safetensors", True)]
    (folder / "weights.safetensors").unlink()
    with pytest.raises(RecipeError, match=r"taken as a name on the hub: the hub cannot be reached.*\(\[Errno -2\] Name or service not known\)"):
        hub.fetch("some/resnet20")
    assert len(kept.asked) == 2


def test_a_name_in_a_folder_that_is_here_is_a_path_and_the_hub_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = library(monkeypatch, lambda *_: pytest.fail("the hub was asked"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "leaves-1").mkdir(parents=True)
    with pytest.raises(RecipeError) as caught:
        open_source("runs/leavs-1")
    said = "runs/leavs-1: there is no such run or file in the folder runs\n  → did you mean runs/leaves-1?; for the hub's model"
    assert str(caught.value).startswith(said)
    with pytest.raises(RecipeError, match=r"in the folder runs\n.*it has leaves-1; for"):
        open_source("runs/none@main")
    (tmp_path / "runs" / "leaves-1").rmdir()
    with pytest.raises(RecipeError, match=r"in the folder runs\n.*it is empty; for"):
        open_source("runs/none")
    with pytest.raises(RecipeError, match=r"there are no such weights\n.*did you mean .*runs\? else give an existing file"):
        open_source(str(tmp_path / "run"))
    assert known.asked == []


COMMIT = "0123456789012345678901234567890123456789"


def serve(files: Path) -> ThreadingHTTPServer:
    """A hub of one model, as far as fetching single files needs it."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            path = files / self.path.rpartition("/")[2]
            known = self.path.startswith("/some/resnet20/resolve/main/")
            content = path.read_bytes() if known and path.is_file() else b""
            self.send_response(200 if content else 404)
            if not content:
                self.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
            self.send_header("ETag", f'"{path.name}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_the_real_library_fetches_from_a_server_and_then_needs_it_no_more(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    server = serve(snapshot(tmp_path / "model"))
    told = "import sys; from sonde.finetune import hub; print(hub.fetch(sys.argv[1]))"

    def fetch(name: str, **more: str) -> subprocess.CompletedProcess[str]:
        endpoint = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path / "home")}
        return subprocess.run([sys.executable, "-c", told, name], env={**os.environ, **endpoint, **more}, capture_output=True, text=True)

    first = fetch("some/resnet20")
    assert first.returncode == 0, first.stderr
    assert (Path(first.stdout.strip()) / "model.safetensors").is_file()
    assert "the hub has no such model" in fetch("some/other").stderr
    server.shutdown()
    server.server_close()
    assert fetch("some/resnet20", HF_HUB_OFFLINE="1").stdout == first.stdout
    assert "the hub cannot be reached, and the model is not in the cache" in fetch("some/other", HF_HUB_OFFLINE="1").stderr


def test_the_real_library_asks_a_hub_that_is_down_once_and_says_nothing_itself(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    asked: list[str] = []

    class Silent(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(self.path)
            self.close_connection = True

        do_GET = do_HEAD

    server = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    Thread(target=server.serve_forever, daemon=True).start()
    told = "import sys; from sonde.finetune import hub; hub.fetch(sys.argv[1])"
    environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path / "home")}
    environment = {name: value for name, value in environment.items() if name not in ("HF_HUB_OFFLINE", "HF_HUB_VERBOSITY")}
    found = subprocess.run([sys.executable, "-c", told, "some/none-1"], env=environment, capture_output=True, text=True)
    server.shutdown()
    server.server_close()
    assert [path for path in asked if path.startswith("/some/")] == ["/some/none-1/resolve/main/config.json"]
    assert "there is no such path here; taken as a name on the hub: the hub cannot be reached" in found.stderr
    assert "Retrying" not in found.stderr
    assert "thrown while requesting" not in found.stderr
