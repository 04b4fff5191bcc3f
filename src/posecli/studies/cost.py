r"""From a speed to hours, machines and money.

With a speed of :math:`f` frames/s, video recorded at :math:`r` frames/s and a machine at :math:`p` per hour,

.. math::

    \text{machine-hours per hour of video} = r / f, \qquad \text{cost per hour of video} = p\, r / f

and :math:`N` animals recorded for :math:`T` days make :math:`N\,T \times 24` hours of video. This is the arithmetic
of Govindarajan et al. (2022). Start-up is left out: it is seconds in hours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecli.errors import UsageError
from posecli.options import at_least
from posecli.support.yamlfile import read_yaml

#: The dated prices that come with posecli.
PRICES_FILE = Path(__file__).with_name("prices.yaml")
UNITS = ("machine", "core")


@dataclass(frozen=True)
class Price:
    """Price of an hour of a machine or of one core, with what it is for, its date and its source.

    >>> Price("own", 0.25, unit="core").of(cores=4)
    1.0
    """

    name: str
    per_hour: float
    unit: str = "machine"  # or one GPU; or "core"
    currency: str = "USD"
    what: str = ""
    dated: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not (isinstance(self.per_hour, (int, float)) and math.isfinite(self.per_hour) and self.per_hour >= 0):
            raise UsageError(
                f"price '{self.name}' of {self.per_hour} per hour is not an amount: give a number of 0 or more"
            )
        if self.unit not in UNITS:
            raise UsageError(f"price '{self.name}' has unit '{self.unit}': choose one of {', '.join(UNITS)}")

    def of(self, cores: int) -> float:
        """Price of an hour of so many cores."""
        return self.per_hour * cores if self.unit == "core" else self.per_hour

    def __str__(self) -> str:
        unit = "core-hour" if self.unit == "core" else "hour"
        dated = f", {self.dated}" if self.dated else ""
        return f"{self.name}, {self.per_hour:g} {self.currency} per {unit}{dated}"


@dataclass(frozen=True)
class PriceList:
    """Prices by name, and the default one."""

    prices: Mapping[str, Price]
    default: str

    def __getitem__(self, name: str) -> Price:
        if name not in self.prices:
            raise UsageError(f"price '{name}' is not known: choose one of {', '.join(self.prices)}, or give --per-hour")
        return self.prices[name]

    def chosen(self, name: str | None, per_hour: float | None) -> Price:
        """The price that the options name; a number is for the whole machine.

        >>> read_prices().chosen("v100", None).per_hour
        2.48
        """
        if per_hour is not None:
            return Price("own", per_hour, source="given on the command line")
        return self[name or self.default]


def read_prices(path: Path | None = None) -> PriceList:
    """Read a price file, by default posecli's own; a `UsageError` if the file is missing or is no price file."""
    file = path or PRICES_FILE
    content = read_yaml(file, UsageError)
    entries = content.get("prices")
    if not isinstance(entries, dict) or not entries:
        raise UsageError(f"'{file}' lists no prices: write them under 'prices:', as 'posecli estimate --help' shows")
    currency = str(content.get("currency", "USD"))
    prices = {str(name): _price(file, str(name), entry, currency) for name, entry in entries.items()}
    default = str(content.get("default", next(iter(prices))))
    if default not in prices:
        raise UsageError(f"'{file}' names the default '{default}', which it does not list: correct one of the two")
    return PriceList(prices, default)


def _price(file: Path, name: str, entry: Any, currency: str) -> Price:
    optional = ("unit", "what", "dated", "source")
    if not isinstance(entry, dict) or "per_hour" not in entry or not set(entry) <= {"per_hour", *optional}:
        raise UsageError(
            f"'{file}' has no usable price '{name}': it needs per_hour, and may have {', '.join(optional)}"
        )
    texts = {key: str(entry[key]) for key in optional if key in entry}
    return Price(name, entry["per_hour"], currency=currency, **texts)


@dataclass(frozen=True)
class Experiment:
    """How much video there is: each animal is recorded by itself, so many hours a day.

    >>> Experiment(animals=24, days=5).video_hours
    2880.0
    """

    animals: int
    days: float
    hours_per_day: float = 24.0
    video_fps: float = 30.0

    def __post_init__(self) -> None:
        at_least(1, animals=self.animals)
        for name, value in (("days", self.days), ("video-fps", self.video_fps)):
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name} {value:g} is out of range: give a number above 0")
        if not 0 < self.hours_per_day <= 24:
            raise UsageError(f"hours-per-day {self.hours_per_day:g} is out of range: give a number above 0, at most 24")

    @property
    def video_hours(self) -> float:
        """Hours of video of all animals together."""
        return self.animals * self.days * self.hours_per_day


@dataclass(frozen=True)
class Estimate:
    """What an experiment takes on machines of one speed and price.

    The 2,880 hours of Govindarajan et al. (2022) on a V100 at 78.5 frames/s and 1.50 an hour:

    >>> estimate = Estimate(Experiment(24, 5), fps=78.5, per_hour=1.50)
    >>> round(estimate.machine_hours), round(estimate.cost)
    (1101, 1651)
    """

    experiment: Experiment
    fps: float  # that one machine analyses
    per_hour: float  # of that machine

    def __post_init__(self) -> None:
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise UsageError(f"fps {self.fps:g} is out of range: give a number of frames per second above 0")

    @property
    def hours_per_video_hour(self) -> float:
        """Machine-hours that an hour of video takes."""
        return self.experiment.video_fps / self.fps

    @property
    def machine_hours(self) -> float:
        """Machine-hours for the whole experiment."""
        return self.experiment.video_hours * self.hours_per_video_hour

    @property
    def cost_per_video_hour(self) -> float:
        """Money that an hour of video costs."""
        return self.per_hour * self.hours_per_video_hour

    @property
    def cost(self) -> float:
        """Money for the whole experiment; it does not depend on the number of machines."""
        return self.per_hour * self.machine_hours

    def days(self, machines: int = 1) -> float:
        """Days until everything is analysed by so many machines."""
        at_least(1, machines=machines)
        return self.machine_hours / 24 / machines

    def machines(self, within_days: float) -> int:
        """Fewest machines that finish in so many days.

        >>> Estimate(Experiment(24, 5), fps=78.5, per_hour=1.50).machines(within_days=5)
        10
        """
        if not (math.isfinite(within_days) and within_days > 0):
            raise UsageError(f"within {within_days:g} days is out of range: give a number of days above 0")
        return max(1, math.ceil(self.machine_hours / 24 / within_days - 1e-9))

    def as_dict(self) -> dict[str, float]:
        return {
            "video_hours": self.experiment.video_hours,
            "fps": self.fps,
            "hours_per_video_hour": self.hours_per_video_hour,
            "machine_hours": self.machine_hours,
            "days_on_one_machine": self.days(),
            "machines_to_keep_up": self.machines(self.experiment.days),
            "price_per_machine_hour": self.per_hour,
            "cost_per_video_hour": self.cost_per_video_hour,
            "cost": self.cost,
        }
