"""What `posecli evaluate` has to tell, of whichever kind of network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Findings:
    """What is told of an evaluation, whatever it is of.

    Attributes
    ----------
    lines
        For people.
    content
        For JSON.
    write_csv
        Writes every figure into a file.
    draw
        Makes the figure.
    """

    lines: Sequence[str]
    content: dict[str, Any]
    write_csv: Callable[[Path], None]
    draw: Callable[[], Figure]
