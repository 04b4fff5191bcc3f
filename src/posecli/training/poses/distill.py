"""A small network that learns from a larger one: frames are chosen, the teacher looks at them, the student learns.

What is on the way lies in a folder beside the student's, so that a distillation that was killed goes on where it was:
the settings with the number of steps, the frames that the teacher has looked at, and the training's run folder.
"""

from __future__ import annotations

import math
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import yaml

from posecli import __version__
from posecli.analysis.lock import HeldError, held
from posecli.errors import OutputError, OutputExistsError, UsageError
from posecli.inference.predictor import PoseModel
from posecli.inference.teacher import plain_rules
from posecli.labels.data import LabeledData, read_image
from posecli.labels.reading import read_labeled_data
from posecli.model.folder import ModelFolder, read_model_folder, write_folder
from posecli.model.student import (
    AgainstTruth,
    Conditions,
    Lessons,
    StudentRecord,
    StudentShift,
    animal_sizes,
    brightness_of,
    part_shifts,
    write_student,
)
from posecli.network.architectures import TRAINED_LAYOUTS
from posecli.options import AnalyzeOptions, EngineOptions, at_least, one_of
from posecli.precision.doubt import calibrated_rules
from posecli.precision.gate import Figures, choose_precision, pose_gate
from posecli.support.files import make_folder, refuse_existing, write_whole
from posecli.support.yamlfile import read_yaml
from posecli.training.config import NAMED_WEIGHTS, AugmentOptions, PoseConfig, PosePhase, PoseSource
from posecli.training.loop import FLOAT32, Trainer, TrainingObserver, fastest_policy, steps_per_second
from posecli.training.objective import SCRATCH
from posecli.training.poses.choice import FRAMES, Openings, choose_frames
from posecli.training.poses.objective import PoseObjective, scratch_weights
from posecli.training.poses.taught import TaughtFrames, check_teacher, teach
from posecli.training.state import RunFolder
from posecli.video.batch import Batch
from posecli.video.probe import content_fingerprint

#: Ends the name of the folder in which a student comes about.
WORK = "-training"
SETTINGS_FILE = "distill.yaml"
#: Held by the process that is at it.
LOCK_FILE = "distill.lock"
SETTINGS_FORMAT = "posecli-distill"
#: What a student is trained with.
NET_TYPE = "compact_16"
BUDGET = 1800.0  # seconds
BATCH, CROP = 8, 192
#: At first in views turned any way, of which there are so many more; then upright, in which the teacher has its habits
#: (always a little to the right, say), with the statistics that inference has. That gets this share of the steps.
RATES, WARM_UPS, UPRIGHT = (2e-3, 1e-3), (200, 50), 0.3
LOCREF_WEIGHT, WEIGHT_DECAY = 0.5, 0.004
AUGMENT = AugmentOptions(
    scales=(1.0,), scale_jitter=1.1, light=0.5, blur=0.1, noise=0.1, occlusion=0.05, jpeg=0.05, h264=0.0
)
#: Held-out frames are measured so many times, and states kept after so many steps, which takes this part of the time.
MEASURES, KEPT_EVERY, OVERHEAD = 10, 250, 0.1
#: Fewest steps that teach anything.
LEAST_STEPS = 100
#: How often labelled frames are drawn, as a share of those of the teacher.
LABELS_WEIGHT = 0.2
#: Sides of crops in small videos are multiples of this, px.
CROP_STEP, SMALLEST_CROP = 32, 64
#: Frames and seconds by which a speed is measured.
SPEED_FRAMES, SPEED_SECONDS = 8, 1.0
#: Between numbers of frames of different videos.
APART = 1 << 32
#: A side in a body part's name: left or right anywhere, l or r by itself (L_ear, ear l), L or R as in earL or LEar.
SIDE = re.compile(
    r"(?i:left|right)|(?<![A-Za-z])[LRlr](?![A-Za-z])|(?<=[a-z0-9])[LR](?![A-Za-z])|(?<![A-Za-z])[LRlr](?=[A-Z][a-z])"
)
OPPOSITES = {"left": "right", "right": "left", "l": "r", "r": "l"}
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DistillOptions:
    """What a student is made of."""

    net_type: str = NET_TYPE  #: One that `posecli train` knows.
    budget: float = BUDGET  #: Seconds that the teacher and the training may take together, about.
    steps: int | None = None  #: Training steps, instead of as many as the budget allows.
    frames: int = FRAMES  #: That are learned from, at most.
    #: What is never learned from: names of videos, or ``NAME:FIRST-LAST``; by default stretches of every video.
    held_out: tuple[str, ...] = ()
    labels: Path | None = None  #: Labelled frames that are learned from too, a tenth of them held out.
    initial_weights: str = SCRATCH  #: ``scratch``, or a model folder of the same network.
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.budget > 0:
            raise UsageError(f"budget {self.budget:g} s is too short: give more, as in 30min")
        one_of("network", self.net_type, tuple(TRAINED_LAYOUTS))
        at_least(2, steps=self.steps)
        at_least(1, frames=self.frames)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for YAML."""
        labels = None if self.labels is None else str(self.labels.resolve())
        return asdict(self) | {"held_out": list(self.held_out), "labels": labels}


@dataclass(frozen=True)
class Speeds:
    """Whole frames that networks see in a second: the teacher in its precision, the student in fp32."""

    teacher: float
    student: float


class DistillObserver:
    """Hears how a distillation goes; this one does nothing."""

    def gated(self, figures: Sequence[Figures], teacher: PoseModel) -> None:
        """The teacher's precision is chosen."""

    def looked(self, done: int, total: int, frames_per_second: float) -> None:
        """The teacher has looked at more frames."""

    def settled(self, steps: int, speeds: Speeds, seconds: float) -> None:
        """The number of steps is settled, the speeds of both networks are known, and what the student takes."""

    def trains(self, config: PoseConfig, run: RunFolder) -> TrainingObserver:  # noqa: ARG002
        """Training begins; what this gives hears of it."""
        return TrainingObserver()


@dataclass(frozen=True)
class Distilled:
    """A student, and what was measured of it."""

    folder: ModelFolder
    record: StudentRecord

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"model": str(self.folder.path), **asdict(self.record)}


def distill(
    teacher: PoseModel,
    videos: Sequence[Path],
    student: Path,
    options: DistillOptions = DistillOptions(),
    observer: DistillObserver = DistillObserver(),
    *,
    overwrite: bool = False,
) -> Distilled:
    """Train a small network on what a teacher says of frames of videos, and write its model folder with its record.

    Killed, the same call goes on from what lies in the folder ``<student>-training``.

    Parameters
    ----------
    teacher
        A loaded pose network; with the precision ``auto`` it looks in the fastest that passes the parity gate.
    videos
        Videos of the scene that the student is for.
    student
        The model folder to make.
    options, observer
        What the student is made of; who is told of progress.
    overwrite
        Replace a student that is there, and begin anew whatever an earlier distillation has left.

    Raises
    ------
    OutputExistsError
        If the student is there already, another process makes it, or its training folder is that of another
        distillation.
    UsageError
        If a video to be held out is unknown, or too little is left to learn from; nothing has been written then.
    """
    refuse_existing(student, overwrite=overwrite, instead="folder with -o")
    # Before the teacher looks at anything, which takes long.
    check_teacher(teacher)
    if options.labels is not None:
        read_labeled_data(options.labels)
    if options.initial_weights not in NAMED_WEIGHTS:
        read_model_folder(Path(options.initial_weights))
    Openings.of(videos, options.held_out, options.frames)
    distillation = _Distillation(teacher, videos, student, options, observer)
    make_folder(distillation.work, "-o")
    try:
        with held(distillation.work / LOCK_FILE):
            # Whoever held it a moment ago may have made it.
            refuse_existing(student, overwrite=overwrite, instead="folder with -o")
            return distillation.carried_out(restart=overwrite)
    except HeldError as other:
        raise OutputExistsError(
            f"'{student}' is being distilled by {other}: wait until that is done, or choose another -o"
        ) from other


@dataclass
class _Distillation:
    """What is on the way in the training folder; each part is taken up where it was left."""

    teacher: PoseModel
    videos: Sequence[Path]
    student: Path
    options: DistillOptions
    observer: DistillObserver

    @property
    def work(self) -> Path:
        return self.student.with_name(self.student.name + WORK)

    def carried_out(self, *, restart: bool) -> Distilled:
        state = self._begun(restart=restart)
        self.teacher = self._in_precision(state)
        taught = self._taught(state)
        if "steps" not in state:
            self._settle(state, self._config(taught, LEAST_STEPS), taught)
        config = replace(self._config(taught, int(state["steps"])), precision=state["arithmetic"])
        self.observer.settled(config.steps, Speeds(**state["speeds"]), float(state["seconds"]))
        run = RunFolder(self.work / "run", config, restart=restart)
        saved = run.load()
        if saved is None or saved[1].step < config.steps:
            Trainer(config, run, self.observer.trains(config, run)).train()
        return self._written(read_model_folder(run.model), taught, config, overwrite=restart)

    def _begun(self, *, restart: bool) -> dict[str, Any]:
        """What an earlier call has settled, or nothing but the settings; these must be the same."""
        path = self.work / SETTINGS_FILE
        settings = {
            "teacher": self.teacher.folder.identity,
            "precision": self.teacher.options.precision,
            "videos": [content_fingerprint(video) for video in self.videos],
            **self.options.as_dict(),
        }
        if path.is_file() and not restart:
            state = read_yaml(path, OutputError)
            if state.get("format") != SETTINGS_FORMAT or state.get("settings") != settings:
                raise OutputExistsError(
                    f"'{self.work}' holds a distillation with other settings: pass --overwrite to begin anew, or "
                    "choose another -o"
                )
            return state
        return self._kept({"format": SETTINGS_FORMAT, "settings": settings})

    def _kept(self, state: dict[str, Any]) -> dict[str, Any]:
        content = yaml.safe_dump(state, sort_keys=False, allow_unicode=True)
        write_whole(self.work / SETTINGS_FILE, content.encode())
        return state

    def _in_precision(self, state: dict[str, Any]) -> PoseModel:
        """The teacher in the fastest precision that passes the gate on these videos."""
        if "precision" not in state:
            options = AnalyzeOptions(engine=self.teacher.options)
            chosen, figures = choose_precision(self.teacher, pose_gate(self.videos, options))
            self._kept(state | {"precision": chosen.options.fixed_precision})
            state["precision"] = chosen.options.fixed_precision
            self.observer.gated(figures, chosen)
        return self.teacher.with_precision(state["precision"])

    def _taught(self, state: dict[str, Any]) -> TaughtFrames:
        """All frames, once the teacher has looked at them."""
        path = self.work / "frames"
        if "looked_seconds" not in state:
            chosen, held_out = choose_frames(self.videos, self.options.held_out, self.options.frames)
            since, first = time.perf_counter(), None
            done = 0
            for done, total in teach(path, chosen, held_out, self.teacher):
                seconds = time.perf_counter() - since
                if first is None:  # what an earlier call has done, or a batch that compiled
                    first, since = done, time.perf_counter()
                elif seconds > 0:
                    self.observer.looked(done, total, (done - first) / seconds)
            seconds = time.perf_counter() - since
            state |= {"looked_seconds": seconds, "looked_fps": (done - (first or 0)) / max(seconds, 1e-9)}
            self._kept(state)
        return TaughtFrames.read(path)

    def _config(self, taught: TaughtFrames, steps: int) -> PoseConfig:
        """What is trained, in two steps at least."""
        options = self.options
        labels = () if options.labels is None else (PoseSource(labels=options.labels, weight=LABELS_WEIGHT),)
        pairs, crop = sides(taught.bodyparts), self._crop(taught)
        last = max(1, round(UPRIGHT * steps))
        first = max(1, steps - last)
        warm_ups = [min(most, count // 4) for most, count in zip(WARM_UPS, (first, last), strict=True)]
        turned = PosePhase(first, BATCH, RATES[0], warm_ups[0], crop=crop)
        upright = PosePhase(last, BATCH, RATES[1], warm_ups[1], "frozen", crop, turned=False)
        return PoseConfig(
            name=re.sub(r"[^\w-]", "-", self.student.name, flags=re.ASCII),
            data=(PoseSource(taught=self.work / "frames"), *labels),
            phases=(turned, upright),
            net_type=options.net_type,
            bodyparts=taught.bodyparts,
            mirror_pairs=pairs or (),
            augment=AUGMENT if pairs is not None else replace(AUGMENT, mirror=0.0),
            initial_weights=options.initial_weights,
            locref_weight=LOCREF_WEIGHT,
            weight_decay=WEIGHT_DECAY,
            evaluate_every=max(1, steps // MEASURES),
            checkpoint_every=KEPT_EVERY,
            pcutoff=taught.cutoff,
            seed=options.seed,
        )

    def _crop(self, taught: TaughtFrames) -> int:
        """Side of what a step sees of a frame, px: no more than there is of it."""
        smallest = min(min(video.width, video.height) for video in taught.videos)
        return max(SMALLEST_CROP, min(CROP, smallest // CROP_STEP * CROP_STEP))

    def _settle(self, state: dict[str, Any], config: PoseConfig, taught: TaughtFrames) -> None:
        """The arithmetic, the number of steps, what that takes, and both networks' speeds on whole frames."""
        objective = PoseObjective(config)
        # Here and not in the run, which would time it again if it is killed before its first state is kept.
        fastest = fastest_policy(config.precision, objective.trial)
        arithmetic: Literal["fp32", "bf16"] = "fp32" if fastest == FLOAT32 else "bf16"
        pace = (1 - OVERHEAD) * steps_per_second(replace(config, precision=arithmetic), objective)
        steps, seconds = self.options.steps, self.options.budget
        if steps is None:
            left = max(seconds - state["looked_seconds"], seconds / 2)
            steps = max(LEAST_STEPS, int(left * pace))
        else:
            seconds = state["looked_seconds"] + steps / pace
        images = np.asarray(taught.videos[0].images[:SPEED_FRAMES])
        # Where an earlier call has looked at all frames, nobody has timed it.
        of_teacher = float(state["looked_fps"]) or frames_per_second(self.teacher, images)
        with tempfile.TemporaryDirectory() as scratch:
            weights = scratch_weights(objective.description.spec, 0)
            folder = write_folder(Path(scratch) / "student", objective.description, weights)
            speed = frames_per_second(PoseModel(folder, EngineOptions(precision="fp32")), images)
        speeds = {"teacher": of_teacher, "student": speed}
        state |= {"steps": steps, "arithmetic": arithmetic, "seconds": seconds, "speeds": speeds}
        self._kept(state)

    def _written(self, trained: ModelFolder, taught: TaughtFrames, config: PoseConfig, *, overwrite: bool) -> Distilled:
        """The student's model folder, and what it is worth on frames that it never saw."""
        model = PoseModel(trained, EngineOptions(precision="fp32"))
        poses = np.concatenate(
            [model.predict(np.asarray(video.images[video.learned :]), batch_size=BATCH) for video in taught.videos]
        )
        expected, parts = taught.held_out_poses, taught.bodyparts
        source = {
            "kind": "distilled by posecli",
            "posecli": __version__,
            "teacher": taught.teacher.name,
            "step": trained.description.source["step"],
        }
        labeled = PoseObjective(config).data
        record = StudentRecord(
            taught.teacher,
            parts,
            taught.cutoff,
            taught.held_out,
            StudentShift.between(poses, expected, taught.cutoff),
            part_shifts(poses, expected, parts, taught.cutoff),
            tuple(against_labels(test, self.teacher, model) for test in labeled.test),
            conditions(taught),
            Lessons(
                len(taught.videos),
                sum(len(video.usable) for video in taught.videos),
                sum(len(data) for data in labeled.train),
                None if self.options.steps else self.options.budget,
                config.steps,
                trained.description.source["arithmetic"],
                Path(self.options.initial_weights).name,
            ),
            doubt(poses, expected, taught),
        )
        description = replace(trained.description, source=source)
        folder = write_folder(self.student, description, trained.weights(), overwrite=overwrite)
        write_student(folder, record)
        return Distilled(folder, record)


def sides(bodyparts: Sequence[str]) -> tuple[tuple[str, str], ...] | None:
    """Pairs of body parts that a mirror exchanges, by their names; ``None`` where a side is told, and no partner is.

    >>> sides(("snout", "leftear", "Right ear", "rightear", "Left ear"))
    (('leftear', 'rightear'), ('Left ear', 'Right ear'))
    >>> sides(("nose", "L_ear", "R_ear", "pawL", "pawR"))
    (('L_ear', 'R_ear'), ('pawL', 'pawR'))
    >>> sides(("snout", "left paw")) is sides(("Lear", "Rear")) is None
    True
    """
    partners = {part: SIDE.sub(_opposite, part) for part in bodyparts}
    sided = [part for part in bodyparts if partners[part] != part]
    # Names that differ in an l and an r alone hint at sides that cannot be told for sure.
    others = [part.casefold().replace("l", "r") for part in bodyparts if part not in sided]
    if any(partners[part] not in partners for part in sided) or len(set(others)) < len(others):
        return None
    return tuple((part, partners[part]) for part in sided if SIDE.findall(part)[0][0] in "lL")


def _opposite(side: re.Match[str]) -> str:
    other = OPPOSITES[side[0].casefold()]
    return other.upper() if side[0].isupper() else other.title() if side[0].istitle() else other


def frames_per_second(model: PoseModel, images: npt.NDArray[np.uint8]) -> float:
    """How many frames a network sees in a second, roughly."""
    batch = Batch.of(images)
    model.values_of([batch])
    since, calls = time.perf_counter(), 0
    while time.perf_counter() - since < SPEED_SECONDS:
        model.values_of([batch])
        calls += 1
    return calls * len(images) / (time.perf_counter() - since)


def worth_it_from(speeds: Speeds, seconds: float) -> float:
    """Frames of video from which on a student saves more time than it takes to make; infinite if it is no faster.

    >>> round(worth_it_from(Speeds(teacher=10.0, student=100.0), 1800))
    20000
    """
    saved = 1 / speeds.teacher - 1 / speeds.student
    return seconds / saved if saved > 0 else math.inf


def doubt(student: Floats, teacher: Floats, taught: TaughtFrames) -> dict[str, Any] | None:
    """By which rules the student is in doubt, from poses ``(N, K, 3)`` of all frames that are held out."""
    numbers = np.concatenate(
        [video.places[video.learned :] + place * APART for place, video in enumerate(taught.videos)]
    )
    rules = calibrated_rules(student[:, :, None], teacher[:, :, None], taught.cutoff, numbers)
    return plain_rules(rules) if rules else None


def conditions(taught: TaughtFrames) -> Conditions:
    """What all frames that were learned from looked like."""
    bright: list[float] = []
    animal: list[float] = []
    for video in taught.videos:
        bright += [brightness_of(video.images[row]) for row in video.usable.tolist()]
        animal += animal_sizes(video.poses[video.usable], taught.cutoff)
    largest = max(taught.videos, key=lambda video: video.width * video.height)
    return Conditions(largest.width, largest.height, _range(bright), _range(animal))


def _range(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return math.nan, math.nan
    low, high = np.quantile(values, (0.01, 0.99)).tolist()
    return low, high


def against_labels(test: LabeledData, teacher: PoseModel, student: PoseModel) -> AgainstTruth:
    """How far both networks are from what people marked in frames that the student never saw."""
    errors: dict[str, list[Floats]] = {"student": [], "teacher": []}
    for frame in test.frames:
        image = read_image(frame.image)[None]
        for name, model in (("student", student), ("teacher", teacher)):
            places = [model.description.bodyparts.index(part) for part in test.bodyparts if part in _parts(model)]
            marked = frame.points[[part in _parts(model) for part in test.bodyparts]]
            errors[name].append(np.linalg.norm(model.predict(image)[0, places, :2] - marked, axis=-1))
    own, other = (np.concatenate(errors[name]) for name in ("student", "teacher"))
    both = np.isfinite(own) & np.isfinite(other)
    if not both.any():
        return AgainstTruth("labels", 0, *(math.nan,) * 4)
    medians = float(np.median(own[both])), float(np.median(other[both]))
    return AgainstTruth("labels", int(both.sum()), *medians, float(own[both].mean()), float(other[both].mean()))


def _parts(model: PoseModel) -> tuple[str, ...]:
    return model.description.bodyparts
