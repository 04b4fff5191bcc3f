"""Carries out a plan in this process, one video after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from posecli.analysis.context import Note, RunContext
from posecli.analysis.executors import Outcome, RunObserver, Verb
from posecli.analysis.plan import RunPlan, VideoPlan, plain
from posecli.analysis.video import carry_out, decide
from posecli.inference.predictor import Model
from posecli.support.results import VideoResult


def here(
    plan: RunPlan,
    verb: Verb,
    observer: RunObserver,
    model: Model[Any, Any] | None = None,
    note: Callable[[Note], object] = lambda _note: None,
) -> list[Outcome]:
    """What came of each video; one that fails does not stop the others.

    A model that is loaded already is used. Notes, as plain values, say which video is about to be opened, what was
    settled by measurement, what came of each video, and what was foretold.
    """
    context = RunContext(plan, observer, note, model)
    outcomes: list[Outcome] = []
    for files in plan.videos:
        context.opens(files.video)
        outcome: Outcome = carry_out(files, context) if verb == "carry_out" else decide(files, context)
        context.opens(None)
        note({"outcome": plain(outcome)})
        if isinstance(outcome, VideoResult):
            observer.video_finished(outcome)
        outcomes.append(outcome)
    decisions = [outcome for outcome in outcomes if isinstance(outcome, VideoPlan)]
    if verb == "foretell" and (found := context.foretell(decisions)) is not None:
        note({"foretold": plain(found)})
        observer.foretold(found)
    return outcomes
