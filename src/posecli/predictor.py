"""A loaded model that turns frames into poses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.decode import DECODER_FUNCTIONS, DecodeOptions, Pose
from posecli.engine import Engine, NetworkOutput, engine_obstacle, open_engine
from posecli.errors import EngineError, UsageError
from posecli.model.deeplabcut import Choice
from posecli.model.folder import ModelDescription, ModelFolder
from posecli.model.importing import open_model
from posecli.options import DecoderName, EngineOptions, FixedPrecision


class PoseModel:
    """A model folder with an engine, ready for frames of any size.

    The engine is compiled for a frame size when frames of that size first come, and kept until another comes.

    Parameters
    ----------
    folder
        The model.
    options
        How its network is run.
    """

    def __init__(self, folder: ModelFolder, options: EngineOptions = EngineOptions()) -> None:
        self.folder = folder
        self.options = options
        self._engine: tuple[tuple[int, int], Engine] | None = None

    @property
    def description(self) -> ModelDescription:
        """Body parts, network, scorer."""
        return self.folder.description

    def with_precision(self, precision: FixedPrecision) -> PoseModel:
        """The same model in one precision; itself, with its engine, if that is what it is."""
        if self.options.precision == precision:
            return self
        return PoseModel(self.folder, replace(self.options, precision=precision))

    def obstacle(self, precision: FixedPrecision) -> str | None:
        """Why its engine cannot run it in a precision on this machine; ``None`` if it can."""
        return engine_obstacle(self.folder, replace(self.options, precision=precision))

    def engine(self, height: int, width: int) -> Engine:
        """The engine for frames of one size."""
        if self._engine is None or self._engine[0] != (height, width):
            self._engine = None  # let go of the old network before the new one takes memory
            self._engine = (height, width), open_engine(self.folder, height, width, self.options)
        return self._engine[1]

    def decode(self, output: NetworkOutput, decoder: DecoderName = "numpy", num_outputs: int = 1) -> Pose:
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


def load_model(source: str | Path, options: EngineOptions = EngineOptions(), choice: Choice = Choice()) -> PoseModel:
    """Load a model folder, or a DeepLabCut network (imported into a cache the first time).

    Parameters
    ----------
    source
        A model folder, a DeepLabCut ``config.yaml`` or project folder, one of its ``dlc-models`` folders, or an
        exported model.
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
