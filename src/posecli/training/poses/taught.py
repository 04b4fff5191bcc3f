"""Frames that a teacher has looked at, kept on disk: the pictures, its poses, and the maps that it found them in.

Students learn from some of them and are measured on others. A teacher looks at each once, and where that was
interrupted it goes on.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from posecli.engine.outputs import Maps
from posecli.errors import OutputError, UsageError
from posecli.inference.predictor import PoseModel
from posecli.inference.step import POSES
from posecli.model.student import Stretch, Teacher
from posecli.network.network import PoseHead
from posecli.precision.gate import model_cutoff
from posecli.support.files import make_folder, write_whole
from posecli.support.yamlfile import read_yaml
from posecli.training.poses.choice import ChosenFrames
from posecli.video.probe import content_fingerprint, probe
from posecli.video.reader import VideoReader

TAUGHT_FILE = "taught.yaml"
TAUGHT_FORMAT = "posecli-taught"
#: Frames that the teacher looks at in one call.
BATCH = 8
#: Stands for the likelihood of a frame that the teacher has not looked at yet.
NOT_YET = -1.0
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TaughtVideo:
    """Frames of one video; their arrays are on disk and read where they are looked at."""

    name: str
    width: int
    height: int
    learned: int  #: So many frames, the first ones, are to learn from; the others are held out.
    places: npt.NDArray[np.int64]  #: ``(N,)`` numbers in the video.
    images: npt.NDArray[np.uint8]  #: ``(N, H, W, 3)`` RGB.
    poses: Floats  #: ``(N, K, 3)`` x px, y px, likelihood; a frame that cannot be decoded is NaN, NaN, 0.
    scores: npt.NDArray[np.float16] | None  #: ``(N, h, w, K)``; ``None`` of a teacher whose maps are none of this kind.

    @property
    def usable(self) -> npt.NDArray[np.intp]:
        """The frames to learn from that have a pose."""
        return np.flatnonzero(np.isfinite(self.poses[: self.learned, :, 0]).any(axis=1))


@dataclass(frozen=True)
class TaughtFrames:
    """All that is kept in a folder."""

    path: Path
    teacher: Teacher
    bodyparts: tuple[str, ...]
    cutoff: float  #: Likelihood from which on the teacher counts as sure.
    stride: float  #: px of the frame for each cell of its maps.
    held_out: tuple[Stretch, ...]
    videos: tuple[TaughtVideo, ...]

    @classmethod
    def read(cls, path: Path) -> TaughtFrames:
        """What `teach` has kept; an `OutputError` if that is damaged or not finished."""
        content = read_yaml(path / TAUGHT_FILE, OutputError)
        try:
            if content["format"] != TAUGHT_FORMAT:
                raise ValueError(f"its format is {content['format']}")
            parts = tuple(content["bodyparts"])
            videos = tuple(_opened(path, number, each) for number, each in enumerate(content["videos"]))
            stretches = tuple(Stretch(**each) for each in content["held_out"])
            teacher = Teacher(**content["teacher"])
            return cls(path, teacher, parts, float(content["cutoff"]), float(content["stride"]), stretches, videos)
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise OutputError(f"'{path / TAUGHT_FILE}' is damaged ({error}): pass --overwrite to begin anew") from error

    @cached_property
    def fingerprint(self) -> bytes:
        """What was taught, for a hash."""
        return b"".join(video.places.tobytes() + video.poses.tobytes() for video in self.videos)

    @property
    def held_out_poses(self) -> Floats:
        """``(N, K, 3)``: what the teacher says of all frames that are held out."""
        return np.concatenate([video.poses[video.learned :] for video in self.videos])


def teach(
    path: Path, chosen: Sequence[ChosenFrames], held_out: Sequence[Stretch], teacher: PoseModel
) -> Generator[tuple[int, int]]:
    """Let a teacher look at frames and keep what it says; each item is how many are done, and how many there are.

    A folder that was begun with other frames or another teacher is begun anew.
    """
    make_folder(path, "-o")
    content = _described(chosen, held_out, teacher)
    if not (path / TAUGHT_FILE).is_file() or read_yaml(path / TAUGHT_FILE, OutputError) != content:
        for number, frames in enumerate(chosen):
            _create(path, number, frames, teacher)
        write_whole(path / TAUGHT_FILE, yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())
    total, done = sum(len(frames) for frames in chosen), 0
    for number, frames in enumerate(chosen):
        for count in _look(path, number, frames, teacher):
            done += count
            yield done, total


def _described(chosen: Sequence[ChosenFrames], held_out: Sequence[Stretch], teacher: PoseModel) -> dict[str, Any]:
    description = teacher.description
    return {
        "format": TAUGHT_FORMAT,
        "teacher": asdict(Teacher.of(teacher.folder, teacher.options.fixed_precision)),
        "bodyparts": list(description.bodyparts),
        "cutoff": model_cutoff(teacher.folder),
        "stride": description.stride,
        "held_out": [asdict(each) for each in held_out],
        "videos": [
            {
                "name": frames.video.name,
                "fingerprint": content_fingerprint(frames.video),
                "learned": len(frames.learned),
                "places": frames.places.tolist(),
            }
            for frames in chosen
        ],
    }


def has_maps(teacher: PoseModel) -> bool:
    """Whether a student can learn a teacher's maps: probabilities of whole frames, which are decoded as they are."""
    head = teacher.description.network.head
    plain = isinstance(head, PoseHead) and not head.clip_scores and head.blur is None
    return plain and teacher.description.top_down is None


def _file(path: Path, number: int, what: str) -> Path:
    return path / f"{number}-{what}.npy"


def _create(path: Path, number: int, frames: ChosenFrames, teacher: PoseModel) -> None:
    """Make the files of a video, all of whose frames are still to be looked at."""
    info, count = probe(frames.video), len(frames)
    parts = len(teacher.description.bodyparts)
    shapes: dict[str, tuple[tuple[int, ...], type[Any]]] = {
        "images": ((count, info.height, info.width, 3), np.uint8),
        "poses": ((count, parts, 3), np.float64),
    }
    if has_maps(teacher):
        network = teacher.description.network
        rows, columns, _ = network.shapes((info.height, info.width))[network.outputs[0]]
        shapes["scores"] = ((count, int(rows or 0), int(columns or 0), parts), np.float16)
    for what, (shape, kind) in shapes.items():
        try:
            made = np.lib.format.open_memmap(_file(path, number, what), "w+", kind, shape)
        except OSError as error:
            raise OutputError(f"'{path}' cannot be written ({error}): make room on its disk") from error
        if what == "poses":
            made[:] = NOT_YET
        made.flush()


def _look(path: Path, number: int, frames: ChosenFrames, teacher: PoseModel) -> Iterator[int]:
    images, poses = (np.load(_file(path, number, what), mmap_mode="r+") for what in ("images", "poses"))
    scores = np.load(_file(path, number, "scores"), mmap_mode="r+") if has_maps(teacher) else None
    done = int((poses[:, 0, 2] != NOT_YET).sum())
    if done:
        yield done
    # Rising, as they are read; they are kept in the order of the frames chosen.
    order = np.argsort(frames.places, kind="stable")
    left = order[done:]
    if not len(left):
        return
    step = teacher.step(images.shape[1:])
    with closing(VideoReader(probe(frames.video), places=frames.places[left].tolist())) as reader:
        for batch in reader.batches(BATCH):
            rows = order[done : done + len(batch)]
            output = step.infer(batch)
            images[rows] = batch.images
            if scores is not None:
                assert isinstance(output, Maps)
                scores[rows] = output.scoremap
            poses[rows] = step.finish(batch, output)[:, :, 0]
            done += len(batch)
            yield len(batch)
    poses[order[done:]] = POSES.missing  # the video ends before it said it would
    for made in (images, poses, scores):
        if made is not None:
            made.flush()


def _opened(path: Path, number: int, content: dict[str, Any]) -> TaughtVideo:
    images, poses = (np.load(_file(path, number, what), mmap_mode="r") for what in ("images", "poses"))
    scored = _file(path, number, "scores")
    scores = np.load(scored, mmap_mode="r") if scored.is_file() else None
    if (poses[:, 0, 2] == NOT_YET).any():
        raise ValueError("the teacher has not looked at all frames")
    places = np.array(content["places"], np.int64)
    _, height, width, _ = images.shape
    return TaughtVideo(content["name"], width, height, int(content["learned"]), places, images, np.array(poses), scores)


def check_teacher(teacher: PoseModel) -> None:
    """Refuse a teacher whose frames may have a detector's boxes from elsewhere."""
    if teacher.description.top_down is not None and teacher.folder.detector is None:
        raise UsageError(
            f"'{teacher.folder.path}' looks at one animal that somebody else has found, and has no detector: "
            "give a network that looks at whole frames, or one with its detector"
        )
