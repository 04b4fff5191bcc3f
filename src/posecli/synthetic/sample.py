"""A scene as a video file with its truth beside it: poses as a pose table, and behaviours as labelled intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from posecli.behaviour.intervals import intervals_csv, intervals_of_labels
from posecli.errors import LabelError
from posecli.support.files import make_folder, move_into_place, partial_path, refuse_existing, write_partial
from posecli.synthetic import open_scene
from posecli.synthetic.options import ALL_SCENES, BEHAVIOUR_SCENES, SceneOptions
from posecli.synthetic.scene import SceneFrame
from posecli.tables.pose_table import PoseTableWriter, pose_columns, read_pose_table
from posecli.video.encode import EncodeOptions, VideoEncoder

#: Every truth table's scorer begins with this.
SCORER_START = "DLC_synthetic_"
#: The table of a video's true behaviours is called by the video's name and this.
BEHAVIOURS_END = "_behaviours.csv"


@dataclass(frozen=True)
class SampleFiles:
    """The video of a sample and what lies beside it."""

    video: Path
    truth: Path  # the table of its true poses, ``<video><scorer>.h5``
    scorer: str  # names scene and seed
    behaviours: Path | None = None  # labelled intervals, ``<video>_behaviours.csv``, if the scene has behaviours


def truth_scorer(options: SceneOptions) -> str:
    """The scorer of a scene's true poses.

    >>> truth_scorer(SceneOptions("trail-tracking", seed=3))
    'DLC_synthetic_trailtrackingseed3'
    """
    return f"{SCORER_START}{options.scene.replace('-', '')}seed{options.seed}"


def sample_files(options: SceneOptions, path: str | Path) -> SampleFiles:
    """Names of the files that `write_sample` makes.

    >>> sample_files(SceneOptions(seed=3), "clips/mouse.mp4").truth.as_posix()
    'clips/mouseDLC_synthetic_trailtrackingseed3.h5'
    """
    video, scorer = Path(path), truth_scorer(options)
    behaviours = behaviours_beside(video) if options.scene in BEHAVIOUR_SCENES else None
    return SampleFiles(video, video.with_name(f"{video.stem}{scorer}.h5"), scorer, behaviours)


def write_sample(
    options: SceneOptions,
    path: str | Path,
    encode_options: EncodeOptions | None = None,
    *,
    overwrite: bool = False,
    progress: Callable[[int], object] | None = None,
) -> SampleFiles:
    """Render a scene into a video, and write its true poses, and behaviours if it has any, beside it.

    Parameters
    ----------
    options
        The scene.
    path
        The video to make.
    encode_options
        Codec and quality; by default lossless H.264.
    overwrite
        Whether a video of that name and its truth may be replaced.
    progress
        Told, after each frame, how many more are done.

    Returns
    -------
    SampleFiles
        The truth table has one row per frame: x, y in px and likelihood 1 of a body part that can be seen; NaN, NaN and
        0 of one that is off the frame or hidden. The table of behaviours labels every frame.

    Raises
    ------
    OutputExistsError
        If the video, or a truth of it, is there already.
    OutputError
        If the files cannot be written; then none of them is left.
    """
    files = sample_files(options, path)
    behaviours = behaviours_beside(files.video)
    stale = [*truths_beside(files.video), behaviours]
    for other in stale:
        refuse_existing(other, overwrite=overwrite, instead="video name")
    scene = open_scene(options)
    make_folder(files.video.parent, "--out")
    size = scene.width, scene.height
    with VideoEncoder(files.video, *size, scene.fps, encode_options, overwrite=overwrite) as encoder:
        table = PoseTableWriter(files.truth, pose_columns(files.scorer, scene.bodyparts))
        try:
            for index in range(scene.n_frames):
                frame = scene.frame(index)
                encoder.write(frame.image)
                table.append(truth_row(frame))
                if progress is not None:
                    progress(1)
            table.close(np.arange(scene.n_frames) / scene.fps)
            if files.behaviours is not None:
                intervals = intervals_of_labels(scene.labels(), scene.behaviours, files.video)
                write_partial(files.behaviours, intervals_csv(files.behaviours, intervals))
            encoder.close()
            for other in stale:
                other.unlink(missing_ok=True)
            move_into_place(table.partial_path, files.truth)
            if files.behaviours is not None:
                move_into_place(partial_path(files.behaviours), files.behaviours)
        except BaseException:
            table.discard()
            partial_path(behaviours).unlink(missing_ok=True)
            raise
    return files


def truth_row(frame: SceneFrame) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """``(1, K, 1, 3)``: x, y, likelihood as the truth table has them."""
    row = np.full((1, len(frame.points), 1, 3), np.nan)
    row[0, frame.visible, 0, :2] = frame.points[frame.visible]
    row[0, :, 0, 2] = frame.visible
    return row


def read_truth(video: str | Path) -> pd.DataFrame:
    """The true poses of a sample, as `posecli.read_pose_table` returns them; a `LabelError` if there are none."""
    return read_pose_table(find_truth(Path(video)))


def find_truth(video: Path) -> Path:
    """The truth table beside a rendered video; a `LabelError` if there is none, or several."""
    if not video.is_file():
        raise LabelError(f"'{video}' does not exist: check the path")
    truths = truths_beside(video)
    if len(truths) != 1:
        found = f"{len(truths)} truth tables are" if truths else "no truth table is"
        raise LabelError(
            f"{found} beside '{video}', where one named '{video.stem}{SCORER_START}...h5' is expected: name one with "
            "--truth, or render the video again with 'posecli sample'"
        )
    return truths[0]


def truths_beside(video: Path) -> list[Path]:
    """The truth tables of a video's name."""
    starts = tuple(f"{video.stem}{SCORER_START}{scene.replace('-', '')}seed" for scene in ALL_SCENES)
    if not video.parent.is_dir():
        return []
    return sorted(path for path in video.parent.iterdir() if path.name.startswith(starts) and path.suffix == ".h5")


def behaviours_beside(video: Path) -> Path:
    """Where the true behaviours of a video are.

    >>> behaviours_beside(Path("clips/cage.mp4")).as_posix()
    'clips/cage_behaviours.csv'
    """
    return video.with_name(f"{video.stem}{BEHAVIOURS_END}")
