"""ImageNet weights by name: fetched once, checked, and a clear word where there is no network."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from posecli.errors import ModelError
from posecli.network.architectures import PUBLISHED_WEIGHTS
from posecli.network.tensorflow_blocks import PublishedWeights
from posecli.training.poses import objective as initial

CONTENT = b"a checkpoint"
MOBILENET = "mobilenet_v2_0.35"


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the garden offers, in a folder of this machine."""
    path = offer(tmp_path / "resnet_v1_50.tar.gz", {"../../evil": b"no", "./resnet_v1_50.ckpt": CONTENT})
    monkeypatch.setitem(PUBLISHED_WEIGHTS, "resnet_50", PublishedWeights(path.as_uri(), "resnet_v1_50.ckpt"))
    return path


def offer(path: Path, files: dict[str, bytes]) -> Path:
    """An archive."""
    with tarfile.open(path, "w:gz") as file:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_fetched_once(archive: Path, private_cache: Path) -> None:
    found = initial.imagenet_checkpoint("resnet_50", sha256(archive).upper())
    assert found.read_bytes() == CONTENT
    assert found.is_relative_to(private_cache)
    assert sorted(path.name for path in found.parent.iterdir()) == ["resnet_v1_50.ckpt", "resnet_v1_50.sha256"]
    archive.unlink()
    assert initial.imagenet_checkpoint("resnet_50", "") == found


def test_checkpoint_of_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{MOBILENET}_224.ckpt"
    files = {f"./{name}.{ending}": ending.encode() for ending in ("index", "data-00000-of-00001", "meta")}
    path = offer(tmp_path / "mobilenet.tgz", {**files, f"./{MOBILENET}_224_frozen.pb": b"no"})
    monkeypatch.setitem(PUBLISHED_WEIGHTS, MOBILENET, PublishedWeights(path.as_uri(), name))
    found = initial.imagenet_checkpoint(MOBILENET, sha256(path))
    kept = {file.name: file.read_bytes() for file in found.parent.iterdir() if file.suffix != ".sha256"}
    assert kept == {f"{name}.{ending}": ending.encode() for ending in ("index", "data-00000-of-00001")}


def test_another_hash_is_refused_and_nothing_kept(archive: Path, private_cache: Path) -> None:
    with pytest.raises(ModelError, match=f"has SHA-256 {sha256(archive)}, not {64 * 'a'}"):
        initial.imagenet_checkpoint("resnet_50", 64 * "a")
    assert list((private_cache / "imagenet").iterdir()) == []


def test_what_is_kept_is_checked_too(archive: Path) -> None:
    initial.imagenet_checkpoint("resnet_50", "")
    with pytest.raises(ModelError, match="correct initial_sha256"):
        initial.imagenet_checkpoint("resnet_50", 64 * "a")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_what_is_no_archive(archive: Path, content: bytes) -> None:
    archive.write_bytes(content)
    with pytest.raises(ModelError, match=r"not an archive with 'resnet_v1_50\.ckpt'"):
        initial.imagenet_checkpoint("resnet_50", "")


def test_too_much(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(initial, "LARGEST_BYTES", 10)
    with pytest.raises(ModelError, match="too large for such an archive"):
        initial.imagenet_checkpoint("resnet_50", "")


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PUBLISHED_WEIGHTS, "resnet_101", PublishedWeights("https://localhost:9/a.tgz", "a.ckpt"))
    with pytest.raises(ModelError, match=r"cannot be fetched from https://localhost:9/a\.tgz.*'scratch'"):
        initial.imagenet_checkpoint("resnet_101", "")
