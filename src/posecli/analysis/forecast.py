"""What a run would do, and how long that would take: worked out from one pass of the network, and nothing tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from posecli.analysis.ahead import detecting, multiply_adds, pass_seconds
from posecli.analysis.kinds import Analysis
from posecli.analysis.plan import Expectation, Forecast, VideoPlan
from posecli.analysis.preparation import Int8Intent
from posecli.engine import Shape
from posecli.options import FixedPrecision
from posecli.precision.reckoning import Trials, pace, time_share
from posecli.precision.within import SCALES
from posecli.support.hardware import processor


def forecast(
    kind: Analysis, decisions: Sequence[VideoPlan], worth: Trials, intent: Int8Intent | None
) -> Forecast | None:
    """What a run would do with the videos that are not done; ``None`` if all are.

    The network is run once, in fp32 on the size that takes most of the time.
    """
    items: Counter[Shape] = Counter()
    for each in decisions:
        items[each.shape] += each.items
    if not items.total():
        return None
    words = _precision(kind, worth, intent), _scale(kind, worth), _window(kind, worth)
    if all(each.action != "analyse" for each in decisions):
        worth, intent = Trials(False, worth.windows, share=worth.share), None
        words = ("as it was begun",) * 3
    network = kind.model.folder.description.network
    work = {shape: count * multiply_adds(network, shape) for shape, count in items.items() if count}
    shape = max(work, key=lambda each: work[each])
    second = pass_seconds(kind.model, shape) / multiply_adds(network, shape)
    first = [*_preparations(intent, worth, second)]
    before = sum(each.seconds for each in first) + second * items.total() * detecting(kind)
    whole = second * sum(work.values())  # in fp32
    expected = [Expectation(how, before + share * whole) for how, share in _outlooks(kind, worth, intent)]
    left_out = [*worth.left_out]
    if kind.teacher is not None:
        left_out.append("a teacher is measured too, and asked where the network is unsure: these times leave that out")
    return Forecast(items.total(), *words, tuple(first), tuple(left_out), tuple(expected))


def _preparations(intent: Int8Intent | None, worth: Trials, second: float) -> Iterator[Expectation]:
    """What comes before the first frame, at so many seconds for a multiply-add."""
    if intent is not None:
        yield Expectation("an int8 version of the model", second * intent.reckoning.cost)
    if worth.cost:
        yield Expectation("the parity gate, on a sample of the videos", second * worth.cost)


def _outlooks(kind: Analysis, worth: Trials, intent: Int8Intent | None) -> Iterator[tuple[str, float]]:
    """Ways in which the run may come to look at frames, with their share of the time in fp32, the fastest first."""
    asked, here = kind.asked, pace(processor()[1])
    fastest: FixedPrecision = "int8" if intent is not None else asked.faster or "fp32"
    share = time_share(fastest, here)
    if kind.finds_scale and worth.precisions:
        least = SCALES[-1]
        yield f"{fastest} at scale {least}{', windows' if worth.windows else ''}", share * float(least**2) * worth.share
    if worth.windows:
        yield f"{fastest}, windows", share * worth.share
    yield f"{fastest}, whole frames", share
    if fastest != "fp32" and not asked.is_named:
        yield "fp32, whole frames", 1.0


def _precision(kind: Analysis, worth: Trials, intent: Int8Intent | None) -> str:
    asked = kind.asked
    if asked.is_named:
        return "fp32" if asked.faster is None else f"{asked.faster}, which must pass the parity gate"
    if not worth.precisions:
        return "fp32"
    made = [] if intent is None else ["int8"]
    names = dict.fromkeys([*made, *kind.faster_precisions])
    return f"{' or '.join(names)}, as the parity gate allows, else fp32" if names else "fp32"


def _scale(kind: Analysis, worth: Trials) -> str:
    if kind.finds_scale and worth.precisions:
        return f"{', '.join(map(str, SCALES[:-1]))} or {SCALES[-1]}, as the limit allows"
    return f"{getattr(kind.options, 'scale', 1.0):g}"


def _window(kind: Analysis, worth: Trials) -> str:
    asked = kind.asked.windows
    if isinstance(asked, int):
        return f"{asked} px a side, which must pass the parity gate"
    return "of a size that pays and passes the parity gate, else none" if worth.windows else "none"
