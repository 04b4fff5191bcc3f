"""What a network of DeepLabCut is, whichever of its engines trained it, and how one of several is chosen."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from posecli import __version__
from posecli.errors import ModelError
from posecli.model.description import ModelDescription
from posecli.model.folder import DetectorParts
from posecli.network.folding import Tensors
from posecli.network.network import Network
from posecli.options import Statistics, TrainingEngine
from posecli.support.yamlfile import brief

#: How DeepLabCut names the folder of one network.
MODEL_DIRECTORY = re.compile(r"(?P<task_date>.+)-trainset(?P<percent>\d+)shuffle(?P<shuffle>\d+)")


@dataclass(frozen=True)
class NetworkChoice:
    """Which of a project's networks is meant."""

    shuffle: int = 1
    trainset_index: int = 0  # place in the project's TrainingFraction
    # Its training iteration or epoch, or the best one by DeepLabCut's own measure; None: the one that config.yaml says,
    # else the last, which is the best one where there is one.
    snapshot: int | Literal["best"] | None = None
    engine: TrainingEngine | None = None  # that trained it; None: the one that the project says
    detector_snapshot: int | Literal["best"] | None = None  # of a top-down network's detector, as `snapshot`
    # Of batch normalisation, where a network may have either; None: those that DeepLabCut takes.
    statistics: Statistics | None = None


@dataclass(frozen=True)
class ProjectSettings:
    """What a project says of all its networks."""

    snapshot_index: int = -1  # place of the snapshot among all, in the engine's order
    detector_index: int = -1  # that of a top-down network's detector
    pcutoff: float | None = None  # the owner's likelihood cut-off


@dataclass(frozen=True)
class DeepLabCutNetwork(ABC):
    """One trained network of DeepLabCut."""

    path: Path  # what the user named
    scorer: str  # DeepLabCut's name for the network
    pcutoff: float | None  # the project's likelihood cut-off

    @abstractmethod
    def files(self) -> list[Path]:
        """The files that determine the network."""

    @abstractmethod
    def describe(self) -> ModelDescription:
        """What it is; `ModelError` if it is of a kind that posecli does not run, or its settings are damaged."""

    @abstractmethod
    def read(self, network: Network) -> Tensors:
        """The weights that a network needs; `ModelError` names each that is missing or does not fit."""

    def read_detector(self) -> DetectorParts | None:
        """What finds the animal for a network that looks at nothing else, if it is known and posecli runs it."""
        return None

    def source(self, engine: str, **about: str | float) -> dict[str, Any]:
        """Where the network came from, for people and manifests; no folders, since models are passed on."""
        place = self.path.resolve()
        return {
            "tool": f"DeepLabCut ({engine} engine)",
            "name": (place.parent if place.suffix == ".yaml" else place).name,
            **about,
            "imported": datetime.now(UTC).isoformat(timespec="seconds"),
            "imported_by": f"posecli {__version__}",
        }


def model_directory(folder: Path) -> re.Match[str]:
    """The parts of a model folder's name; `ModelError` if it is not named as DeepLabCut names its own."""
    match = MODEL_DIRECTORY.fullmatch(folder.resolve().name)
    if match is None:
        raise ModelError(
            f"'{folder}' is not named <Task><date>-trainset<percent>shuffle<k> as DeepLabCut names its models"
        )
    return match


def number_in(config_path: Path, key: str, value: Any) -> float:
    """A number that a settings file holds; `ModelError` if it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, ArithmeticError):
        number = math.nan
    if not math.isfinite(number):
        raise ModelError(f"'{config_path}' has {key} {brief(value)} where a number is needed: correct it")
    return number
