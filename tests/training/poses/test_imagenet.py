"""ImageNet weights by name: fetched once, checked, and a clear word where there is no network."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from posecli.errors import ModelError
from posecli.training.poses import objective as initial

CONTENT = b"a checkpoint"


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the garden offers, in a folder of this machine."""
    path = tmp_path / "garden" / "resnet_v1_50_2016_08_28.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as file:
        for name, content in (("../../evil", b"no"), ("./resnet_v1_50.ckpt", CONTENT)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    monkeypatch.setattr(initial, "URL", f"{path.parent.as_uri()}/{{scope}}_2016_08_28.tar.gz")
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
    monkeypatch.setattr(initial, "URL", "https://localhost:9/{scope}.tar.gz")
    with pytest.raises(ModelError, match=r"cannot be fetched from https://localhost:9/resnet_v1_101.*'scratch'"):
        initial.imagenet_checkpoint("resnet_101", "")
