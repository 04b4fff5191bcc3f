"""The backbone trained on ImageNet that DeepLabCut begins with: fetched once, checked, and kept in the cache."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
import urllib.request
from http.client import HTTPException
from pathlib import Path

from posecli.errors import ModelError, OutputError
from posecli.model.importing import cache_directory
from posecli.network.resnet import backbone_scope

#: Where TensorFlow's model garden offers the archives; nobody publishes their hashes.
URL = "https://storage.googleapis.com/download.tensorflow.org/models/{scope}_2016_08_28.tar.gz"
#: The archive of ResNet-152 has a fifth of it.
LARGEST_BYTES = 1 << 30
#: Seconds without a byte after which a connection counts as broken.
PATIENCE = 60.0


def imagenet_checkpoint(net_type: str, sha256: str) -> Path:
    """The slim ResNet v1 checkpoint of a backbone, from the cache or from the network.

    `sha256` is what the archive must hash to; empty takes what comes, and notes its hash beside the checkpoint.
    """
    scope = backbone_scope(net_type)
    checkpoint = cache_directory() / "imagenet" / f"{scope}.ckpt"
    note = checkpoint.with_name(f"{scope}.sha256")
    if not (checkpoint.is_file() and note.is_file()):
        try:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            _fetch(URL.format(scope=scope), sha256, checkpoint, note)
        except OSError as error:
            raise OutputError(
                f"'{checkpoint}' cannot be written ({error.strerror or error}): set POSECLI_CACHE_DIR to another folder"
            ) from error
    _check(checkpoint, note.read_text(encoding="ascii").strip(), sha256)
    return checkpoint


def _fetch(url: str, sha256: str, checkpoint: Path, note: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=checkpoint.parent) as scratch:
        archive, unpacked = Path(scratch) / "archive", Path(scratch) / "checkpoint"
        found = _download(url, archive)
        _check(url, found, sha256)
        _unpack(archive, checkpoint.name, unpacked, url)
        note.write_text(f"{found}\n", encoding="ascii")
        unpacked.replace(checkpoint)


def _download(url: str, archive: Path) -> str:
    """Hash of what was fetched."""
    digest, size = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as stream, archive.open("wb") as file:  # noqa: S310  # ours
            while block := stream.read(1 << 20):
                size += len(block)
                if size > LARGEST_BYTES:
                    raise ModelError(f"what {url} gives is too large for such an archive: give the checkpoint's path")
                digest.update(block)
                file.write(block)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise ModelError(
            f"the ImageNet weights cannot be fetched from {url} ({reason}): give initial_weights the path of the "
            "checkpoint, a model folder, or 'scratch'"
        ) from error
    return digest.hexdigest()


def _check(where: object, found: str, sha256: str) -> None:
    if sha256 and found != sha256.lower():
        raise ModelError(
            f"the archive of '{where}' has SHA-256 {found}, not {sha256}: correct initial_sha256, or remove the file"
        )


def _unpack(archive: Path, name: str, destination: Path, url: str) -> None:
    """The one file that is wanted, whatever else is in the archive, and wherever it says that it belongs."""
    try:
        with tarfile.open(archive) as content:
            member = next(entry for entry in content if entry.isfile() and Path(entry.name).name == name)
            source = content.extractfile(member)
            assert source is not None  # it is a file
            with destination.open("wb") as file:
                shutil.copyfileobj(source, file)
    except (tarfile.TarError, EOFError, StopIteration) as error:
        raise ModelError(f"what {url} gives is not an archive with '{name}': give the checkpoint's path") from error
