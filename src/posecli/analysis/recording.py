"""A video as a run is to see it: what it holds, what is done to its frames, and what its table's values depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from posecli.analysis.context import RunContext
from posecli.errors import VideoError
from posecli.options import FixedPrecision
from posecli.tables import manifest as manifests
from posecli.video.probe import content_fingerprint, probe
from posecli.video.reader import VideoReader


class Recording:
    """A video as a run is to see it."""

    def __init__(self, path: Path, context: RunContext) -> None:
        self.info = probe(path)
        self.geometry = context.kind.geometry(self.info)
        self._context = context
        self._stamp = _stamp(path)
        self._fingerprint = content_fingerprint(path)

    def settings(self, precision: FixedPrecision) -> dict[str, Any]:
        """What determines the table's values besides video and model."""
        return self._context.kind.determining_settings(precision, self.geometry)

    def sections(self, precision: FixedPrecision) -> dict[str, Any]:
        """The manifest's parts on all that determines the table's values."""
        return {
            "video": manifests.describe_video(self.info, self._fingerprint),
            "model": manifests.describe_model(self._context.kind.model.folder),
            "settings": self.settings(precision),
        }

    def fingerprint(self, precision: FixedPrecision) -> str:
        """Hash of all that determines the table's values."""
        return manifests.fingerprint(self._fingerprint, self._context.kind.model.folder, self.settings(precision))

    def is_wanted(self, manifest: dict[str, Any]) -> bool:
        """Whether an earlier result is the one that is asked for."""
        return manifest.get("fingerprint") in [*map(self.fingerprint, self._context.acceptable_precisions())]

    def what_differs(self, manifest: dict[str, Any]) -> str:
        """Why an earlier result is not the one that is asked for."""
        sections = self.sections(self._context.acceptable_precisions()[0])
        return ", ".join(manifests.differences(manifest, sections)) or "by another version"

    def seen(self, reader: VideoReader) -> dict[str, Any]:
        """Take over what reading the whole video has shown; what of it a journal must keep, as plain values."""
        if _stamp(self.info.path) != self._stamp:
            raise VideoError(f"'{self.info.path}' was changed while it was read: run again when it is finished")
        timeline = reader.timeline
        assert timeline is not None, "the video was not read to its end"
        kept = {
            "as_announced": timeline == self.info.announced,
            "concealed": reader.concealed,
            "opencv_fault": reader.opencv_fault,
        }
        self.info = self.info.with_timeline(timeline)
        return kept


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file does."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
