"""The parity gate: how far a faster precision changes what a network says of a user's own videos.

Samples are drawn from all over the videos, and go through the network in fp32 and in the faster precision.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from posecli.errors import PrecisionError, VideoError
from posecli.inference.predictor import Model
from posecli.inference.step import Values
from posecli.options import FixedPrecision
from posecli.video.batch import Batch
from posecli.video.find import evenly_chosen
from posecli.video.probe import VideoInfo, probe

#: Faster precisions that ``auto`` tries, the fastest first.
CANDIDATES: tuple[FixedPrecision, ...] = ("int8", "bf16")
#: Videos that samples come from at most.
SAMPLE_VIDEOS = 4

ModelT = TypeVar("ModelT", bound=Model[Any, Any])
#: Is told of each video before it is opened, and of ``None`` when all are closed.
Opens = Callable[[Path | None], object]


@dataclass(frozen=True)
class Figures(ABC):
    """How far a faster precision changes values; each kind of network has its own measure."""

    precision: FixedPrecision

    @property
    @abstractmethod
    def judged(self) -> bool:
        """Whether enough was seen to judge by."""

    @property
    @abstractmethod
    def passed(self) -> bool:
        """Whether enough was seen, and it changed little enough."""

    def as_plain(self) -> dict[str, Any]:
        """Its fields as plain values, from which it can be made again."""
        return asdict(self)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for manifests."""
        return self.as_plain() | {"passed": self.passed}


class Gate(ABC):
    """Compares a faster precision with fp32 on samples of a run's own videos."""

    #: The option by which a user allows more.
    limit_option: ClassVar[str]
    #: Items per call of the network.
    batch_size: ClassVar[int]

    def __init__(self, opens: Opens) -> None:
        self._opens = opens
        self._samples: list[Batch] = []
        self._expected: Values | None = None

    @abstractmethod
    def samples(self) -> Iterable[Batch]:
        """Of the run's videos, as the run will show them to the network."""

    @abstractmethod
    def measure(self, model: Model[Any, Any], found: Values, expected: Values) -> Figures:
        """How far the values of a faster model are from those expected."""

    def compare(self, fast: Model[Any, Any], exact: Model[Any, Any]) -> Figures:
        """Run both models on the samples, which are drawn the first time, and measure."""
        if self._expected is None:
            self._samples = list(self.samples())
            self._opens(None)
            self._expected = self._values(exact)
        return self.measure(fast, self._values(fast), self._expected)

    def _values(self, model: Model[Any, Any]) -> Values:
        return model.values_of(part for sample in self._samples for part in sample.split(self.batch_size))


@dataclass(frozen=True)
class PrecisionChoice(Generic[ModelT]):
    """The precision of a run, and what was measured to choose it."""

    model: ModelT
    figures: tuple[Figures, ...]


def choose_precision(model: ModelT, gate: Gate) -> PrecisionChoice[ModelT]:
    """Settle the precision for a run.

    ``auto`` takes the fastest precision that this engine and processor have and that passes the gate, else fp32.

    Raises
    ------
    PrecisionError
        If a faster precision was asked for by name and does not pass, or cannot run.
    """
    wanted = model.options.precision
    if wanted == "fp32" or model.options.engine == "tensorflow":
        return PrecisionChoice(model.with_precision(model.options.fixed_precision), ())
    if wanted != "auto" and (obstacle := model.obstacle(wanted)) is not None:
        raise PrecisionError(obstacle)
    candidates = [name for name in CANDIDATES if model.obstacle(name) is None] if wanted == "auto" else [wanted]
    exact = model.with_precision("fp32")
    figures: list[Figures] = []
    for name in candidates:
        fast = model.with_precision(name)
        figures.append(gate.compare(fast, exact))
        if figures[-1].passed:
            return PrecisionChoice(fast, tuple(figures))
    if wanted != "auto":
        more = f", or allow more with {gate.limit_option}" if figures[-1].judged else ""
        raise PrecisionError(f"{figures[-1]}: choose --precision auto or fp32{more}")
    return PrecisionChoice(exact, tuple(figures))


def sampled_videos(
    videos: Sequence[Path], opens: Callable[[Path], object], most: int = SAMPLE_VIDEOS
) -> Iterator[tuple[VideoInfo, int]]:
    """Some of the videos, and how many were chosen; a broken one is passed over: it is reported when its turn comes."""
    chosen = evenly_chosen(videos, most)
    for path in chosen:
        opens(path)
        try:
            info = probe(path)
        except VideoError:
            continue
        yield info, len(chosen)
