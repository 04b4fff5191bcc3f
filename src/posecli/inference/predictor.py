"""A loaded model that turns frames into poses, or chunks of frames into behaviours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.engine import Engine, PoseEngine, engine_obstacle, open_engine
from posecli.engine.kinds import Shape
from posecli.engine.outputs import Logits, Maps
from posecli.errors import EngineError, UsageError
from posecli.inference.decode import DECODER_FUNCTIONS, DecodeOptions, Pose
from posecli.model.builtin import named_model
from posecli.model.clip import ClipDescription
from posecli.model.deeplabcut import Choice
from posecli.model.description import ModelDescription
from posecli.model.folder import AnyFolder, ClipModelFolder, ModelFolder, read_clip_folder
from posecli.model.importing import open_model
from posecli.options import DecoderName, EngineOptions, FixedPrecision

FolderT = TypeVar("FolderT", bound=AnyFolder)
OutputT = TypeVar("OutputT")


class Model(Generic[FolderT, OutputT]):
    """A model folder with an engine.

    The engine is compiled for a shape when items of that shape first come, and kept until another comes.

    Parameters
    ----------
    folder
        The model.
    options
        How its network is run.
    """

    def __init__(self, folder: FolderT, options: EngineOptions = EngineOptions()) -> None:
        self.folder = folder
        self.options = options
        self._engine: tuple[Shape, Engine[OutputT]] | None = None

    def with_precision(self, precision: FixedPrecision) -> Self:
        """The same model in one precision; itself, with its engine, if that is what it is."""
        return self.with_options(replace(self.options, precision=precision))

    def with_options(self, options: EngineOptions) -> Self:
        """The same model, run in another way; itself, with its engine, if that is how it is run."""
        return self if options == self.options else type(self)(self.folder, options)

    def obstacle(self, precision: FixedPrecision) -> str | None:
        """Why its engine cannot run it in a precision on this machine; ``None`` if it can."""
        return engine_obstacle(self.folder, replace(self.options, precision=precision))

    def engine_for(self, shape: Shape) -> Engine[OutputT]:
        """The engine for items of one shape."""
        if self._engine is None or self._engine[0] != shape:
            self._engine = None  # let go of the old network before the new one takes memory
            self._engine = shape, open_engine(self.folder, shape, self.options)
        return self._engine[1]


class PoseModel(Model[ModelFolder, Maps]):
    """A pose network, ready for frames of any size."""

    @property
    def description(self) -> ModelDescription:
        """Body parts, network, scorer."""
        return self.folder.description

    def engine(self, height: int, width: int) -> PoseEngine:
        """The engine for frames of one size."""
        return self.engine_for((height, width, 3))

    def decode(self, output: Maps, decoder: DecoderName = "numpy", num_outputs: int = 1) -> Pose:
        """Decode what the network said of a batch: ``(B, K, N, 3)`` float64 in network pixels.

        Raises
        ------
        EngineError
            If the network gave a likelihood or position that is no finite number.
        """
        description = self.description
        options = DecodeOptions(description.stride, description.locref_stdev, num_outputs)
        pose = DECODER_FUNCTIONS[decoder](output.scoremap, output.locref, options)
        if not np.isfinite(pose[:, :, 0]).all():
            raise EngineError(
                "the network gave values that are no numbers: check its weights, or another engine or precision"
            )
        return pose

    def predict(self, frames: npt.NDArray[np.uint8], *, batch_size: int = 8) -> Pose:
        """Find the body parts in frames.

        Parameters
        ----------
        frames
            ``(N, H, W, 3)`` uint8 RGB.
        batch_size
            Frames per call of the network.

        Returns
        -------
        ndarray
            ``(N, K, 3)`` float64: x px, y px, likelihood.

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
        if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
            raise UsageError(f"frames of shape {frames.shape} and type {frames.dtype} are not (N, H, W, 3) uint8 RGB")
        if batch_size < 1:
            raise UsageError(f"batch size {batch_size} is too small: give a whole number of 1 or more")
        engine = self.engine(frames.shape[1], frames.shape[2])
        pose = np.empty((len(frames), len(self.description.bodyparts), 3))
        for start in range(0, len(frames), batch_size):
            batch = frames[start : start + batch_size]
            pose[start : start + len(batch)] = self.decode(engine(batch))[:, :, 0]
        return pose


class ClipModel(Model[ClipModelFolder, Logits]):
    """A network for behaviours, ready for chunks of any size."""

    @property
    def description(self) -> ClipDescription:
        """Classes, network, scorer."""
        return self.folder.description

    def probabilities(self, output: Logits) -> npt.NDArray[np.float64]:
        """What the network said of a batch as probabilities, ``(B, C)`` float64: the softmax of its logits.

        Raises
        ------
        EngineError
            If the network gave a value that is no finite number.
        """
        logits = output.logits.astype(np.float64)
        if not np.isfinite(logits).all():
            raise EngineError(
                "the network gave values that are no numbers: check its weights, or another engine or precision"
            )
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
        if chunks.ndim != 5 or chunks.shape[4] != 3 or chunks.dtype != np.uint8:
            raise UsageError(
                f"chunks of shape {chunks.shape} and type {chunks.dtype} are not (N, T, H, W, 3) uint8 RGB"
            )
        if batch_size < 1:
            raise UsageError(f"batch size {batch_size} is too small: give a whole number of 1 or more")
        engine = self.engine_for(chunks.shape[1:])
        found = [
            self.probabilities(engine(chunks[start : start + batch_size]))
            for start in range(0, len(chunks), batch_size)
        ]
        return np.concatenate([np.empty((0, len(self.description.classes))), *found])


def load_clip_model(source: str | Path, options: EngineOptions = EngineOptions()) -> ClipModel:
    """Load the model folder of a network for behaviours; ``built-in-behaviours`` is the one that comes with posecli.

    Raises
    ------
    ModelError
        If there is no such folder, or it is damaged or holds another kind of network.
    """
    return ClipModel(read_clip_folder(named_model(Path(source))), options)


def load_model(source: str | Path, options: EngineOptions = EngineOptions(), choice: Choice = Choice()) -> PoseModel:
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
