"""The files of one video's result: their names, and the one that only DeepLabCut needs."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

from posecli.errors import OutputError, UsageError
from posecli.model.folder import ModelDescription
from posecli.table import partial_path
from posecli.video.probe import VideoInfo


@dataclass(frozen=True)
class OutputPaths:
    """Where a video's results go; all names begin with the video's own, as the field's tools expect.

    Attributes
    ----------
    table
        The pose table, ``<video><scorer>.h5``.
    manifest
        What was done, ``.json``.
    meta
        What DeepLabCut's labelled-video step asks for, ``_meta.pickle``.
    csv
        The table as text, where asked for.
    """

    table: Path
    manifest: Path
    meta: Path
    csv: Path

    @classmethod
    def plan(cls, video: Path, scorer: str, out_dir: Path | None) -> OutputPaths:
        """Names in the video's folder, or in `out_dir`.

        >>> OutputPaths.plan(Path("a/m1.mp4"), "DLC_x", None).table.as_posix()
        'a/m1DLC_x.h5'
        """
        stem = f"{video.stem}{scorer}"
        folder = out_dir or video.parent
        return cls(
            folder / f"{stem}.h5", folder / f"{stem}.json", folder / f"{stem}_meta.pickle", folder / f"{stem}.csv"
        )

    def make_folder(self) -> None:
        """Create the folder, parents too."""
        try:
            self.table.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"folder '{self.table.parent}' cannot be made ({error.strerror or error}): choose another with -o"
            ) from error

    def remove_partial(self) -> None:
        """Remove what was begun of the files beside the table."""
        for path in (self.manifest, self.meta):
            partial_path(path).unlink(missing_ok=True)


def plan_outputs(videos: list[Path], scorer: str, out_dir: Path | None) -> list[OutputPaths]:
    """Names for every video.

    Raises
    ------
    UsageError
        If two videos would write to the same table.
    """
    rivals: dict[Path, Path] = {}
    outputs = []
    for video in videos:
        paths = OutputPaths.plan(video, scorer, out_dir)
        rival = rivals.setdefault(paths.table, video)
        if rival is not video:
            raise UsageError(
                f"'{rival}' and '{video}' would both write '{paths.table}': analyse them into different folders "
                "with --out-dir, or rename one"
            )
        outputs.append(paths)
    return outputs


def deeplabcut_meta(info: VideoInfo, model: ModelDescription, rows: int, batch_size: int, seconds: float) -> bytes:
    """DeepLabCut's ``_meta.pickle``: built-in types only, written and never read by posecli.

    It says that nothing was cropped, whatever was: our coordinates are the full frame's already, and
    DeepLabCut would add the offset a second time.
    """
    data = {
        "Scorer": model.scorer,
        "DLC-model-config file": {"net_type": model.net_type, "all_joints_names": list(model.bodyparts)},
        "fps": float(info.frame_rate),
        "batch_size": batch_size,
        "frame_dimensions": (info.height, info.width),
        "nframes": rows,
        "run_duration": seconds,
        "cropping": False,
        "cropping_parameters": [0, info.width, 0, info.height],
    }
    return pickle.dumps({"data": data}, protocol=4)
