"""What is particular to frames, and to chunks of them, about a condition on the bench."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from posecli.behaviour.chunks import ChunkPlan
from posecli.engine import Shape
from posecli.inference.kind import Values
from posecli.inference.predictor import ClipModel, PoseModel
from posecli.inference.step import Step
from posecli.model.folder import AnyFolder, read_clip_folder, read_model_folder
from posecli.options import EngineOptions, InputSize
from posecli.studies.benchmark.bench import Bench, Job
from posecli.studies.benchmark.options import NetworkName
from posecli.studies.benchmark.readers import FirstChunks, FirstFrames
from posecli.studies.benchmark.recorder import Recorder
from posecli.tables.pose_table import PoseTableWriter, pose_columns


class PoseBench(Bench[PoseModel]):
    """Frames to poses."""

    read_seconds: ClassVar[float] = 0.5

    def opened(self, options: EngineOptions) -> PoseModel:
        """A pose network."""
        return PoseModel(read_model_folder(self.job.model), options)

    @property
    def shape(self) -> Shape:
        """A frame's."""
        return self.job.condition.height, self.job.condition.width, 3

    @property
    def multiply_adds(self) -> int | None:
        """Not counted."""
        return None

    def reader(self, recorder: Recorder, seconds: float = math.inf) -> FirstFrames:
        """Frame by frame; the clip has the size that the network sees."""
        return FirstFrames(self.job.clip, self.job.frames, recorder, seconds=seconds)

    @cached_property
    def step(self) -> Step:
        """With the condition's decoder."""
        decoder = self.job.condition.decoder
        assert decoder is not None
        return self.model.step(self.shape, decoder)

    @contextmanager
    def writing(self) -> Iterator[Callable[[Values], object]]:
        """Into a pose table."""
        description = self.model.description
        columns = pose_columns(description.scorer, description.bodyparts)
        with tempfile.TemporaryDirectory(prefix="posecli-benchmark-") as folder:
            writer = PoseTableWriter(Path(folder) / "poses.h5", columns)
            try:
                yield writer.append
            finally:
                writer.discard()

    def kept(self, values: Values) -> Values:
        """The best peak."""
        return values[:, :, 0].copy()


class ClipBench(Bench[ClipModel]):
    """Chunks of frames to probabilities."""

    #: Long enough for a few chunks of large frames.
    read_seconds: ClassVar[float] = 1.5

    def opened(self, options: EngineOptions) -> ClipModel:
        """A network for behaviours."""
        return ClipModel(read_clip_folder(self.job.model), options)

    @property
    def shape(self) -> Shape:
        """A chunk's."""
        condition = self.job.condition
        return condition.length, condition.height, condition.width, 3

    @property
    def multiply_adds(self) -> int | None:
        """Of a chunk."""
        return sum(self.model.description.network.multiplications(self.shape[:3]).values())

    def reader(self, recorder: Recorder, seconds: float = math.inf) -> FirstChunks:
        """Chunk by chunk; frames are brought to the network's size while they are read."""
        condition = self.job.condition
        size = InputSize(condition.width, condition.height)
        frames = FirstFrames(self.job.clip, self.job.frames, Recorder(), size, seconds)
        return FirstChunks(frames, ChunkPlan(condition.length, condition.stride, condition.frame_step), recorder)

    @contextmanager
    def writing(self) -> Iterator[Callable[[Values], object]]:
        """Row by row into a file, as a run's journal has them; the table itself is made when a video has ended."""
        with tempfile.TemporaryFile(prefix="posecli-benchmark-") as stream:

            def write(values: Values) -> None:
                values.tofile(stream)
                stream.flush()

            yield write


BENCHES: dict[NetworkName, type[Bench[Any]]] = {"pose": PoseBench, "i3d": ClipBench}


def open_bench(job: Job) -> Bench[Any]:
    """Compile a job's network, and warm it up."""
    return BENCHES[job.network](job)


def read_network(network: NetworkName, path: Path) -> AnyFolder:
    """The model folder of one kind of network; errors as `posecli.model.folder.read_model_folder`."""
    return read_clip_folder(path) if network == "i3d" else read_model_folder(path)
