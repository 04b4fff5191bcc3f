"""``student.yaml`` in the model folder of a network that was distilled: who taught it, and what was measured of that.

Shifts are px of the full frame between student and teacher, on frames that the student never saw.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import yaml

from posecli import __version__
from posecli.errors import ModelError
from posecli.model.folder import ModelFolder
from posecli.support.files import write_whole
from posecli.support.yamlfile import brief, read_yaml

STUDENT_FILE = "student.yaml"
STUDENT_FORMAT = "posecli-student"
STUDENT_VERSION = 1
#: Of pixels every so many-th row and column tell a frame's brightness.
SPARSE = 8
#: How far outside what it learned a student still feels at home: a share of that, and grey levels or px.
WIDER, WIDER_BY = 0.2, 5.0


@dataclass(frozen=True)
class Teacher:
    """The network that a student learned from; where it lies is nobody's business but its owner's."""

    name: str  # its scorer
    net_type: str
    identity: str  # hash of its weights and how they are used, as manifests have it
    precision: str  # in which it looked at the frames

    @classmethod
    def of(cls, folder: ModelFolder, precision: str) -> Self:
        description = folder.description
        return cls(description.scorer, description.net_type, folder.identity, precision)


@dataclass(frozen=True)
class Stretch:
    """Consecutive frames of a video, both ends included.

    >>> str(Stretch("m1.mp4", 100, 199)), len(Stretch("m1.mp4", 100, 199))
    ('m1.mp4:100-199', 100)
    """

    video: str  # the name of its file, with no more folders than tell it from others of that name
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.video}:{self.first}-{self.last}"

    def __len__(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class StudentShift:
    """How far a student's points lie from its teacher's, and how often they agree that there is one."""

    points: int  # of which the teacher is sure, which are those that are compared
    median_px: float
    p99_px: float
    largest_px: float
    agreement: float  # share of all points for which both likelihoods lie on the same side of the cut-off

    @classmethod
    def between(cls, student: npt.NDArray[np.float64], teacher: npt.NDArray[np.float64], cutoff: float) -> Self:
        """Of poses ``(..., 3)`` of the same frames; shifts are NaN where the teacher is sure of nothing.

        >>> teacher = np.array([[10.0, 10.0, 0.9], [0.0, 0.0, 0.1]])
        >>> StudentShift.between(teacher + (3.0, 4.0, 0.0), teacher, cutoff=0.6)
        StudentShift(points=1, median_px=5.0, p99_px=5.0, largest_px=5.0, agreement=1.0)
        """
        sure = teacher[..., 2] >= cutoff
        apart = np.linalg.norm(student[..., :2] - teacher[..., :2], axis=-1)[sure]
        agreement = float(((student[..., 2] >= cutoff) == sure).mean())
        if not len(apart):
            return cls(0, math.nan, math.nan, math.nan, agreement)
        median, p99 = np.quantile(apart, (0.5, 0.99)).tolist()
        return cls(len(apart), median, p99, float(apart.max()), agreement)

    def __str__(self) -> str:
        return (
            f"median {self.median_px:.2f} px, 99th percentile {self.p99_px:.2f}, largest {self.largest_px:.1f} of "
            f"{self.points} points, likelihoods agree on {100 * self.agreement:.1f} %"
        )


@dataclass(frozen=True)
class AgainstTruth:
    """Distance from labels, or from the truth of rendered video: the student's, and its teacher's on the same."""

    source: str
    points: int
    student_median_px: float
    teacher_median_px: float
    student_mean_px: float
    teacher_mean_px: float


@dataclass(frozen=True)
class Conditions:
    """What a student's frames looked like; ranges are 1st and 99th percentiles over frames."""

    width: int  # px of the frames
    height: int
    brightness: tuple[float, float]  # mean of a frame's pixels, 0..255
    animal_px: tuple[float, float]  # diagonal of the box about the body parts that the teacher is sure of

    def unlike(self, brightness: Sequence[float], animal_px: Sequence[float]) -> Iterator[str]:
        """In what frames are mostly unlike these, by the numbers of each that are known.

        A fifth and 5 grey levels or px more or less are nothing: recordings of one scene differ by so much.

        >>> learned = Conditions(640, 480, (90.0, 110.0), (60.0, 120.0))
        >>> [*learned.unlike([95.0, 100.0, 240.0], [150.0, 160.0])]
        ['the animal is 155 px across, where it learned 60 to 120']
        """
        for what, values, (low, high) in (
            ("frames have a brightness of {:.0f}", brightness, self.brightness),
            ("the animal is {:.0f} px across", animal_px, self.animal_px),
        ):
            middle = float(np.median(values)) if len(values) else math.nan
            if middle < low * (1 - WIDER) - WIDER_BY or middle > high * (1 + WIDER) + WIDER_BY:
                yield f"{what.format(middle)}, where it learned {low:.0f} to {high:.0f}"


def brightness_of(image: npt.NDArray[np.uint8]) -> float:
    """Mean of some of a picture's pixels, 0..255."""
    return float(image[::SPARSE, ::SPARSE].mean())


def animal_sizes(poses: npt.NDArray[np.float64], cutoff: float) -> list[float]:
    """Px of the diagonal of the box about the sure points of each of ``(N, K, 3)`` poses that has two or more.

    >>> animal_sizes(np.array([[[0.0, 0.0, 0.9], [3.0, 4.0, 0.9], [9.0, 9.0, 0.1]]]), cutoff=0.5)
    [5.0]
    """
    sure = (pose[pose[:, 2] >= cutoff, :2] for pose in poses)
    return [float(np.hypot(*np.ptp(points, axis=0))) for points in sure if len(points) > 1]


@dataclass(frozen=True)
class Lessons:
    """What a student was trained with."""

    videos: int
    frames: int
    labeled_frames: int
    budget_seconds: float | None  # None where steps were asked for
    steps: int
    arithmetic: str
    begun_from: str  # what its first weights were: scratch, or the name of a folder


@dataclass(frozen=True)
class StudentRecord:
    """What ``student.yaml`` says."""

    teacher: Teacher
    bodyparts: tuple[str, ...]
    cutoff: float  # likelihood from which on a point counts as sure
    held_out: tuple[Stretch, ...]  # whole videos are stretches too
    overall: StudentShift
    parts: Mapping[str, StudentShift]  # by body part
    errors: tuple[AgainstTruth, ...]  # where there is something to compare with
    conditions: Conditions
    lessons: Lessons
    doubt: Mapping[str, Any] | None = None  # by which rule it is in doubt, and asks its teacher

    @classmethod
    def from_plain(cls, content: Mapping[str, Any]) -> Self:
        """From what a file says; raises what Python raises where it says something else."""
        conditions = {name: _pair(value) for name, value in content["conditions"].items()}
        record = cls(
            Teacher(**content["teacher"]),
            tuple(content["bodyparts"]),
            float(content["cutoff"]),
            tuple(Stretch(**each) for each in content["held_out"]),
            StudentShift(**content["overall"]),
            {str(name): StudentShift(**each) for name, each in content["parts"].items()},
            tuple(AgainstTruth(**each) for each in content["errors"]),
            Conditions(**conditions),
            Lessons(**content["lessons"]),
            content["doubt"],
        )
        if record.doubt is not None and not isinstance(record.doubt, Mapping):
            raise TypeError("doubt is not a mapping")
        return record

    @property
    def lines(self) -> Iterator[tuple[str, str]]:
        """For people: names and what is said of them."""
        yield "teacher", f"{self.teacher.name} ({self.teacher.net_type}, {self.teacher.identity[:12]})"
        yield "held out", ", ".join(map(str, self.held_out))
        yield "shift", str(self.overall)
        for name, shift in self.parts.items():
            yield f"shift {name}", str(shift)
        for error in self.errors:
            yield (
                f"error {error.source}",
                f"mean {error.student_mean_px:.2f} px, teacher's {error.teacher_mean_px:.2f} ({error.points} points)",
            )


def _pair(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def part_shifts(
    student: npt.NDArray[np.float64], teacher: npt.NDArray[np.float64], bodyparts: Sequence[str], cutoff: float
) -> dict[str, StudentShift]:
    """`StudentShift` of each body part, of poses ``(N, K, 3)``."""
    return {
        name: StudentShift.between(student[:, place], teacher[:, place], cutoff) for place, name in enumerate(bodyparts)
    }


def write_student(folder: ModelFolder, record: StudentRecord) -> None:
    """Write a record into its student's model folder, whole or not at all."""
    header = {
        "format": STUDENT_FORMAT,
        "format_version": STUDENT_VERSION,
        "model_identity": folder.identity,
        "made_by": f"posecli {__version__}",
    }
    text = yaml.safe_dump(header | _plain(asdict(record)), sort_keys=False, allow_unicode=True)
    write_whole(folder.path / STUDENT_FILE, text.encode())


def _plain(value: Any) -> Any:
    """Tuples to lists, so that YAML needs no tags."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, Iterable) and not isinstance(value, str) else value


def read_student(folder: ModelFolder) -> StudentRecord | None:
    """The record of a student; ``None`` for a network that is none.

    A `ModelError` if the file is damaged, or was made for other weights.
    """
    path = folder.path / STUDENT_FILE
    if not path.is_file():
        return None
    content = read_yaml(path, ModelError)
    advice = "distil the student again with 'posecli distill', or delete the file"
    header = {name: content.pop(name, None) for name in ("format", "format_version", "model_identity", "made_by")}
    if (header["format"], header["format_version"]) != (STUDENT_FORMAT, STUDENT_VERSION):
        raise ModelError(f"'{path}' is not a {STUDENT_FORMAT} file of version {STUDENT_VERSION}: {advice}")
    if header["model_identity"] != folder.identity:
        raise ModelError(f"'{path}' was made for other weights than '{folder.path}' holds: {advice}")
    try:
        record = StudentRecord.from_plain(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"'{path}' is damaged ({brief(str(error))}): {advice}") from error
    if record.bodyparts != folder.description.bodyparts:
        raise ModelError(f"'{path}' is about other body parts than '{folder.path}' finds: {advice}")
    return record
