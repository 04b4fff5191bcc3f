"""Runtimes: each translates a network's operations and runs them on arrays of one shape.

To add one, write a class that follows `Engine` in a module of its own and name it in `ENGINE_CLASSES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.errors import EngineError
from posecli.model.folder import AnyFolder
from posecli.options import EngineName, EngineOptions, FixedPrecision
from posecli.support.tensorflow import choose_kernels

choose_kernels()  # before a module of this package imports Keras, and with it TensorFlow

#: What one item of a batch is: ``(H, W, 3)``, a frame, or ``(T, H, W, 3)``, a chunk of frames.
Shape: TypeAlias = tuple[int, ...]
OutputT_co = TypeVar("OutputT_co", covariant=True)


@dataclass(frozen=True)
class EngineInfo:
    """What a run says of its engine: the runtime, where it computes (such as ``CPU``), its arithmetic and threads."""

    name: str
    version: str
    device: str
    precision: str
    threads: int


class Engine(Protocol[OutputT_co]):
    """A network compiled for items of one shape (frames, or chunks of frames), and any number of them."""

    @property
    def info(self) -> EngineInfo: ...

    @staticmethod
    def obstacle(folder: AnyFolder, precision: FixedPrecision) -> str | None:
        """Why this runtime, on this machine, cannot run a model in a precision; ``None`` if it can."""

    def warm_up(self, batch_size: int) -> None:
        """Do what the first call with this batch size would otherwise be late for."""

    def __call__(self, images: npt.NDArray[np.uint8]) -> OutputT_co:
        """Run the network on ``(B, H, W, 3)`` uint8 RGB, or on ``(B, T, H, W, 3)``."""


ENGINE_CLASSES: dict[EngineName, str] = {
    "openvino": "posecli.engine.openvino:OpenVINOEngine",
    "tensorflow": "posecli.engine.tensorflow:TensorFlowEngine",
}


def open_engine(folder: AnyFolder, shape: Shape, options: EngineOptions) -> Engine[Any]:
    """Compile a model folder's network for items of one shape.

    Raises `EngineError` if the runtime cannot do what the options ask, and `ModelError` if the weights are damaged.
    """
    if obstacle := engine_obstacle(folder, options):
        raise EngineError(obstacle)
    engine: Engine[Any] = _engine_class(options.engine)(folder, shape, options)
    return engine


def engine_obstacle(folder: AnyFolder, options: EngineOptions) -> str | None:
    """Why an engine cannot run a model in a precision, as a sentence; ``None`` if it can."""
    obstacle: str | None = _engine_class(options.engine).obstacle(folder, options.fixed_precision)
    return obstacle


def _engine_class(name: EngineName) -> Any:
    module, _, attribute = ENGINE_CLASSES[name].partition(":")
    return getattr(import_module(module), attribute)
