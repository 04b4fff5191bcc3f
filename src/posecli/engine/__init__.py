"""Runtimes: each runs one pose network on arrays of one frame size.

To add one, write a class that follows `Engine` in a module of its own and name it in `ENGINE_CLASSES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from posecli.errors import EngineError
from posecli.model.folder import ModelFolder
from posecli.options import EngineName, EngineOptions, FixedPrecision


@dataclass(frozen=True)
class NetworkOutput:
    """What the network says of a batch.

    Attributes
    ----------
    scoremap
        ``(B, h, w, K)`` float32 probabilities.
    locref
        ``(B, h, w, K, 2)`` float32 offsets (x, y) in units of the location standard deviation; ``None`` for a
        network that does not refine locations.
    """

    scoremap: npt.NDArray[np.float32]
    locref: npt.NDArray[np.float32] | None


@dataclass(frozen=True)
class EngineInfo:
    """What a run must say of its engine.

    Attributes
    ----------
    name, version
        The runtime.
    device
        Where it computes, such as ``CPU``.
    precision
        Its arithmetic.
    threads
        Threads that it computes with.
    """

    name: str
    version: str
    device: str
    precision: str
    threads: int


class Engine(Protocol):
    """A network compiled for frames of one height and width, and any number of them."""

    @property
    def info(self) -> EngineInfo:
        """What it is."""

    @staticmethod
    def obstacle(folder: ModelFolder, precision: FixedPrecision) -> str | None:
        """Why this runtime, on this machine, cannot run a model in a precision; ``None`` if it can."""

    def warm_up(self, batch_size: int) -> None:
        """Do what the first call with this batch size would otherwise be late for."""

    def __call__(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
        """Run the network on ``(B, H, W, 3)`` uint8 RGB."""


ENGINE_CLASSES: dict[EngineName, str] = {
    "openvino": "posecli.engine.openvino:OpenVINOEngine",
    "tensorflow": "posecli.engine.tensorflow:TensorFlowEngine",
}


def open_engine(folder: ModelFolder, height: int, width: int, options: EngineOptions) -> Engine:
    """Compile a model folder's network for frames of ``height`` x ``width`` px.

    Raises
    ------
    EngineError
        If the runtime cannot do what the options ask.
    ModelError
        If the weights are damaged.
    """
    obstacle = engine_obstacle(folder, options)
    if obstacle is not None:
        raise EngineError(obstacle)
    engine: Engine = _engine_class(options.engine)(folder, height, width, options)
    return engine


def engine_obstacle(folder: ModelFolder, options: EngineOptions) -> str | None:
    """Why an engine cannot run a model in a precision, as a sentence; ``None`` if it can."""
    obstacle: str | None = _engine_class(options.engine).obstacle(folder, options.fixed_precision)
    return obstacle


def _engine_class(name: EngineName) -> Any:
    module, _, attribute = ENGINE_CLASSES[name].partition(":")
    return getattr(import_module(module), attribute)
