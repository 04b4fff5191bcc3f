"""A loaded model that turns frames into poses, or chunks of frames into behaviours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.engine import Engine, Shape, engine_obstacle, open_engine
from posecli.engine.outputs import Axes, BoxScores, Logits, Maps, Peaks
from posecli.errors import EngineError, UsageError
from posecli.inference.boxes import Boxes, best_boxes, reference_boxes
from posecli.inference.decode import DecodeOptions, Pose, decode
from posecli.inference.sources import Coarse, Source, Still, Tracking
from posecli.inference.step import BEHAVIOURS, POSES, Kind, NetworkStep, Step, Values
from posecli.inference.topdown import Cropping, TopDownStep, without_detector
from posecli.inference.windows import Windows, WindowStep
from posecli.model.deeplabcut import NetworkChoice
from posecli.model.description import ClipDescription, ModelDescription
from posecli.model.folder import AnyFolder, ClipModelFolder, DetectorFolder, ModelFolder, named_model, read_clip_folder
from posecli.model.importing import open_model
from posecli.network.network import AxesHead, BoxHead, PoseHead, RegionHead
from posecli.options import DecoderName, EngineOptions, FixedPrecision, at_least
from posecli.video.batch import Batch
from posecli.video.geometry import Floats, Geometry

FolderT = TypeVar("FolderT", bound=AnyFolder)
OutputT = TypeVar("OutputT")


class Engines(Generic[OutputT]):
    """Runs a folder's network: its engine is compiled when items of a shape first come, and kept until others do."""

    def __init__(self, folder: AnyFolder, options: EngineOptions) -> None:
        self._folder = folder
        self._options = options
        self._engine: tuple[Shape, Engine[OutputT]] | None = None

    def of(self, shape: Shape) -> Engine[OutputT]:
        """The engine for items of one shape."""
        if self._engine is None or self._engine[0] != shape:
            self._engine = None  # let go of the old network before the new one takes memory
            self._engine = shape, open_engine(self._folder, shape, self._options)
        return self._engine[1]


class Detector:
    """Finds the animal in frames of any size. It always computes in fp32: boxes do not move with a run's precision."""

    def __init__(self, folder: DetectorFolder, options: EngineOptions) -> None:
        network = folder.description.network
        assert isinstance(network.head, BoxHead | RegionHead)
        self._head = network.head
        self._references = reference_boxes(network) if isinstance(network.head, BoxHead) else None
        self._engines: Engines[BoxScores] = Engines(folder, replace(options, precision="fp32"))

    def warm_up(self, batch_size: int, shape: Shape) -> None:
        """Compile its network and run it on as many black frames of a shape as it sees at once."""
        self._engines.of(shape).warm_up(1 if self._references is None else batch_size)

    def __call__(self, images: npt.NDArray[np.uint8]) -> Boxes:
        """``(B, 4)`` x and y of the upper left corner, width and height, px of the images; NaN where none is found."""
        if self._references is None and len(images) > 1:
            # A thousand regions of each frame are items of their own: more frames would take memory, and save no time.
            return np.concatenate([self(image[None]) for image in images])
        output = self._engines.of(images.shape[1:])(images)
        _refuse_not_finite(output.logits)
        return best_boxes(output, self._references, self._head, images.shape[1:3])


class Model(ABC, Generic[FolderT, OutputT]):
    """A model folder, and how its network is run."""

    kind: ClassVar[Kind]

    def __init__(self, folder: FolderT, options: EngineOptions = EngineOptions()) -> None:
        self.folder = folder
        self.options = options
        self._engines: Engines[OutputT] = Engines(folder, options)

    def with_precision(self, precision: FixedPrecision) -> Self:
        """The same model in another precision; itself, with its engine, if it has that already."""
        return self.with_options(replace(self.options, precision=precision))

    def with_options(self, options: EngineOptions) -> Self:
        """The same model with other options; itself, with its engine, if it has those already."""
        return self if options == self.options else type(self)(self.folder, options)

    def obstacle(self, precision: FixedPrecision) -> str | None:
        """Why its engine cannot run it in a precision on this machine; ``None`` if it can."""
        return engine_obstacle(self.folder, replace(self.options, precision=precision))

    def engine_for(self, shape: Shape) -> Engine[OutputT]:
        """The engine for items of one shape."""
        return self._engines.of(shape)

    @abstractmethod
    def step(self, shape: Shape) -> Step:
        """From batches of items of one shape to values."""

    @property
    @abstractmethod
    def values_shape(self) -> tuple[int, ...]:
        """Of an item's values; of poses with one peak for each body part."""

    def values_of(self, batches: Iterable[Batch]) -> Values:
        """The values of any number of batches; each is done with before the next one is asked for."""
        found = [self.step(batch.images.shape[1:])(batch) for batch in batches]
        return np.concatenate([np.empty((0, *self.values_shape)), *found])

    def _predicted(self, items: npt.NDArray[np.uint8], batch_size: int, boxes: Floats | None = None) -> Values:
        kind = self.kind
        if items.ndim != len(kind.shape.split(",")) or items.shape[-1] != 3 or items.dtype != np.uint8:
            raise UsageError(
                f"{kind.item}s of shape {items.shape} and type {items.dtype} are not {kind.shape} uint8 RGB"
            )
        at_least(1, batch_size=batch_size)
        return self.values_of(Batch.of(items, boxes=boxes).split(batch_size))


class PoseModel(Model[ModelFolder, Maps | Axes | Peaks]):
    """A pose network, ready for frames of any size, or of the one size that it was made for."""

    kind = POSES

    @property
    def description(self) -> ModelDescription:
        """Body parts, network, scorer."""
        return self.folder.description

    @cached_property
    def _head(self) -> PoseHead | AxesHead:
        head = self.description.network.head
        assert isinstance(head, PoseHead | AxesHead)
        return head

    def engine_for(self, shape: Shape) -> Engine[Maps | Axes | Peaks]:
        """The engine for frames of one shape, of which it may see crops of a size of its own.

        A `UsageError` if the network takes none of their size.
        """
        crop = self.description.top_down
        shape = shape if crop is None else (crop.height, crop.width, 3)
        if isinstance(self._head, AxesHead) and shape[:2] != self._head.size:
            (height, width), (wanted_height, wanted_width) = shape[:2], self._head.size
            raise UsageError(
                f"the network takes frames of {wanted_width}x{wanted_height} px, not {width}x{height}: it was trained "
                "on crops of that size around one animal"
            )
        return super().engine_for(shape)

    def engine(self, height: int, width: int) -> Engine[Maps | Axes | Peaks]:
        """The engine for frames of one size."""
        return self.engine_for((height, width, 3))

    @cached_property
    def cropping(self) -> Cropping | None:
        """From frames to what a top-down network looks at; ``None`` for one that looks at whole frames."""
        crop, detector = self.description.top_down, self.folder.detector
        detect = None if detector is None else Detector(detector, self.options)
        return None if crop is None else Cropping(crop, detect, without_detector(self.folder))

    def step(
        self, shape: Shape, decoder: DecoderName = "numpy", num_outputs: int = 1, *, has_boxes: bool = False
    ) -> Step:
        """From batches of frames of one shape to poses, ``(B, K, N, 3)`` in px of the full frame.

        Where boxes of the animal come with all frames, its detector is neither compiled nor run.
        """
        decode_output = partial(self.decode, decoder=decoder, num_outputs=num_outputs)
        step = NetworkStep(self.engine_for(shape), decode_output, self.kind)
        if self.cropping is None:
            return step
        return TopDownStep(replace(self.cropping, detect=None) if has_boxes else self.cropping, step, shape)

    def window_step(
        self,
        shape: Shape,
        windows: Windows,
        decoder: DecoderName = "numpy",
        background: Callable[[int], Still] | None = None,
    ) -> WindowStep:
        """From batches of frames of one shape to poses, ``(B, K, 1, 3)`` in px of the full frame, from windows.

        Windows that a still camera's background places need the one of the video, so many times smaller.
        """
        near = self._peaks_of(self._near, (windows.height, windows.width, 3), decoder)
        source = self.source(shape, windows, decoder, background)
        return WindowStep(windows, source, self.step(shape, decoder), near)

    def source(
        self,
        shape: Shape,
        windows: Windows,
        decoder: DecoderName = "numpy",
        background: Callable[[int], Still] | None = None,
    ) -> Source:
        """What places windows in frames of one shape."""
        if windows.still:
            assert background is not None
            return background(windows.still)
        if not windows.coarse:
            return Tracking(windows.centers)
        scale = Fraction(1, windows.coarse)
        small = Geometry.plan(shape[1], shape[0], scale=scale)
        step = self._peaks_of(self._small, (small.height, small.width, 3), decoder)
        return Coarse(windows.centers, scale, step)

    def _peaks_of(self, engines: Engines[Maps | Axes | Peaks], shape: Shape, decoder: DecoderName) -> NetworkStep:
        return NetworkStep(engines.of(shape), partial(self.decode, decoder=decoder), self.kind)

    @cached_property
    def _near(self) -> Engines[Maps | Axes | Peaks]:
        """The engine for windows, beside that for whole frames."""
        return Engines(self.folder, self.options)

    @cached_property
    def _small(self) -> Engines[Maps | Axes | Peaks]:
        """The engine for small pictures of frames, beside that for windows."""
        return Engines(self.folder, self.options)

    @property
    def values_shape(self) -> tuple[int, ...]:
        return len(self.description.bodyparts), 1, 3

    @property
    def may_lack_points(self) -> bool:
        """Whether body parts that are not found are missing from a frame: NaN, with a likelihood of 0."""
        head = self._head
        return self.description.top_down is not None or isinstance(head, AxesHead) or head.blur is not None

    def decode(self, output: Maps | Axes | Peaks, decoder: DecoderName = "numpy", num_outputs: int = 1) -> Pose:
        """Decode what the network said of a batch: ``(B, K, N, 3)`` float64 in network pixels.

        An `EngineError` if the network gave a likelihood or position that is NaN or infinite.
        """
        head = self._head
        options = DecodeOptions(self.description.stride, self.description.locref_stdev, num_outputs)
        if isinstance(head, PoseHead):
            options = replace(options, clip_scores=head.clip_scores, blur=head.blur)
        pose = decode(output, options, decoder)
        best = pose[:, :, 0]
        lacking = self.may_lack_points & (best[..., 2] == 0) & np.isnan(best[..., :2]).all(axis=-1)
        _refuse_not_finite(best[~lacking])
        return pose

    def predict(self, frames: npt.NDArray[np.uint8], *, batch_size: int = 8, boxes: Floats | None = None) -> Pose:
        """Find the body parts in frames.

        Parameters
        ----------
        frames
            ``(N, H, W, 3)`` uint8 RGB.
        batch_size
            Frames per call of the network.
        boxes
            ``(N, 4)`` px, where the animal is, for a network that looks at nothing else: x and y of the upper left
            corner, width and height; NaN where it is not seen. By default the model's detector finds it.

        Returns
        -------
        ndarray
            ``(N, K, 3)`` float64: x px, y px, likelihood; NaN, NaN and 0 where there is no box.

        Raises
        ------
        UsageError
            If the frames have another shape or type, or the batch size is below 1.

        Examples
        --------
        >>> model = load_model("my-model")  # doctest: +SKIP
        >>> model.predict(np.zeros((10, 240, 320, 3), np.uint8)).shape  # doctest: +SKIP
        (10, 4, 3)
        """
        return self._predicted(frames, batch_size, boxes)[:, :, 0]


class ClipModel(Model[ClipModelFolder, Logits]):
    """A network for behaviours, ready for chunks of any size."""

    kind = BEHAVIOURS

    @property
    def description(self) -> ClipDescription:
        """Classes, network, scorer."""
        return self.folder.description

    def step(self, shape: Shape) -> Step:
        """From batches of chunks of one shape to probabilities, ``(B, C)``."""
        return NetworkStep(self.engine_for(shape), self.probabilities, self.kind)

    @property
    def values_shape(self) -> tuple[int, ...]:
        return (len(self.description.classes),)

    def probabilities(self, output: Logits) -> Values:
        """What the network said of a batch as probabilities, ``(B, C)`` float64: the softmax of its logits.

        An `EngineError` if the network gave a value that is NaN or infinite.
        """
        logits = output.logits.astype(np.float64)
        _refuse_not_finite(logits)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def predict(self, chunks: npt.NDArray[np.uint8], *, batch_size: int = 1) -> npt.NDArray[np.float64]:
        """Classify chunks.

        Parameters
        ----------
        chunks
            ``(N, T, H, W, 3)`` uint8 RGB.
        batch_size
            Chunks per call of the network.

        Returns
        -------
        ndarray
            ``(N, C)`` float64 probabilities.

        Raises
        ------
        UsageError
            If the chunks have another shape or type, or the batch size is below 1.

        Examples
        --------
        >>> model = load_clip_model("my-model")  # doctest: +SKIP
        >>> model.predict(np.zeros((2, 64, 224, 224, 3), np.uint8)).shape  # doctest: +SKIP
        (2, 9)
        """
        return self._predicted(chunks, batch_size)


def _refuse_not_finite(values: npt.NDArray[np.floating]) -> None:
    if not np.isfinite(values).all():
        raise EngineError("the network gave NaN or infinite values: check its weights, or another engine or precision")


def load_clip_model(source: str | Path, options: EngineOptions = EngineOptions()) -> ClipModel:
    """Load the model folder of a network for behaviours; ``built-in-behaviours`` is the one that comes with posecli.

    A `ModelError` if there is no such folder, or it is damaged or holds another kind of network.
    """
    return ClipModel(read_clip_folder(named_model(Path(source))), options)


def load_model(
    source: str | Path, options: EngineOptions = EngineOptions(), choice: NetworkChoice = NetworkChoice()
) -> PoseModel:
    """Load a model folder, or a DeepLabCut network (imported into a cache the first time).

    Parameters
    ----------
    source
        A model folder, a DeepLabCut ``config.yaml`` or project folder, one of its ``dlc-models`` folders, an exported
        model, or ``built-in``.
    options
        How its network is run.
    choice
        Which network of a DeepLabCut project.

    Raises
    ------
    ModelError
        If there is no model, or it is damaged or not supported.
    """
    return PoseModel(open_model(Path(source), choice), options)
