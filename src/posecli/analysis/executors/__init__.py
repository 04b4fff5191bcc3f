"""Ways to carry out a plan: in this process, or in one that is watched.

To add one, write its module in this folder and name it in `EXECUTORS`. The plan goes to other processes and machines as
JSON (`RunPlan.to_json`); there `posecli.analysis.executors.here` carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Literal, Protocol, TypeAlias

from posecli.analysis.observer import RunObserver
from posecli.analysis.plan import RunPlan, VideoPlan
from posecli.support.results import VideoResult

#: What to do with each video: say what would be done with it, or do it.
Verb = Literal["decide", "carry_out"]
#: What comes of a video.
Outcome: TypeAlias = VideoPlan | VideoResult
OUTCOMES: dict[Verb, type[Outcome]] = {"decide": VideoPlan, "carry_out": VideoResult}


class Executor(Protocol):
    """Carries out a plan, wherever it runs."""

    def __call__(self, plan: RunPlan, verb: Verb, observer: RunObserver) -> Sequence[Outcome]:
        """Outcome of each video, in the plan's order; errors that concern the whole run are raised."""


#: Where each is; what it needs is imported when it is used.
EXECUTORS: dict[str, str] = {
    "here": "posecli.analysis.executors.here:here",
    "watched": "posecli.analysis.executors.watched:watched",
}


def executor(name: str) -> Executor:
    """The executor of that name."""
    module, function = EXECUTORS[name].split(":")
    found: Executor = getattr(import_module(module), function)
    return found
