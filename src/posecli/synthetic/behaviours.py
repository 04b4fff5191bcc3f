"""Bouts of a mouse's nine behaviours in its home cage, and its posture in every frame.

Behaviours come in stances. All of one stance share their posture and their ways to move; which of these oscillate,
and how fast, tells them apart. A movement that does not oscillate rests anywhere within the same range, so that a
single frame says little: a resting head is where a sniffing one passes by.

Lengths are px of a 640x480 frame for a mouse of size 1, times in seconds. A posture's own coordinates have x ahead of
the animal's middle, and y up from the bedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posecli.synthetic.arrays import Floats
from posecli.synthetic.canvas import wander

#: In the order of their labels.
BEHAVIOURS = ("drink", "eat", "groom", "hang", "sniff", "rear", "rest", "walk", "eathand")
#: Length of a bout, s.
BOUT = (1.5, 6.0)
#: Half of the time in which one bout blends into the next, s.
HALF_BLEND = 0.15
#: How far a mouse moves between two bouts, px, and how often it turns round there.
HOP = 90.0
TURNS = 0.3
#: Half the length of a step, px, and the share of a cycle for which a paw is on the ground.
STEP, STANCE = 17.0, 0.6
#: Of each paw of a standing mouse its place, px, and its part of the step's cycle.
STRIDES = {"fore": (24.0, 0.0), "far_fore": (30.0, 0.5), "hind": (-56.0, 0.54), "far_hind": (-50.0, 0.04)}
#: Times over which a turn in a walk is spread, s.
TURN = np.linspace(-0.17, 0.17, 9)
#: Relative spread of a bout's frequency, and of the size of each movement.
FREQUENCY_SPREAD, SIZE_SPREAD = 0.12, 0.25
#: From the joint of the head to the tip of the snout, px.
HEAD = 62.0
#: How much some fields of a posture waver: no living animal is ever quite still.
RESTLESS = {"center": 1.5, "hip_y": 1.0, "pitch": 0.012, "head_angle": 0.03, "head_x": 1.0, "tail": 5.0}

#: What a posture consists of.
FIELDS = (
    "center",  # column of the animal's middle in an unmirrored frame of 640x480 px
    "facing",  # 1 towards the wall with the spout, -1 away from it, between them while it turns
    # Spine: the hip, the direction (rad, up) and distance from there to the neck, and how far the back is arched.
    *("hip_x", "hip_y", "pitch", "length", "arch"),
    *("head_x", "head_y", "head_angle"),  # the head's joint relative to the neck, and its direction (rad, up)
    *("fore_x", "fore_y", "far_fore_x", "far_fore_y"),  # paws, the near ones and those behind them
    *("hind_x", "hind_y", "far_hind_x", "far_hind_y"),
    "tail",  # how far the tail's end is off the bedding, px
    "food",  # whether a crumb is in the paws, 0 to 1
    "breath",  # by how much the trunk is wider than usual, as a part of its width
)


@dataclass(frozen=True)
class Habit:
    """Stance and movements of a behaviour."""

    stance: str  # "stand", "sit" or "upright"
    rhythms: dict[str, float]  # Hz of each movement that oscillates
    sizes: dict[str, float]  # factors on the amplitudes of MOVEMENTS


#: Movements of each stance and their amplitude: rad for nod and look, cycles for gait and pedal, else px.
MOVEMENTS: dict[str, dict[str, float]] = {
    "stand": {"nod": 0.34, "reach": 8.0, "gait": 0.5},
    "sit": {"nod": 0.12, "stroke": 20.0, "lift": 13.0, "munch": 9.0, "gait": 0.5},
    "upright": {"sway": 22.0, "rise": 13.0, "look": 0.28, "lick": 12.0, "pedal": 0.5},
}
#: Movements that go round rather than to and fro: cycles are counted.
TURNING = ("gait", "pedal")
#: Phase lags of movements that share a rhythm, cycles.
LAGS = {"reach": 0.25, "lift": 0.25, "look": 0.3, "rise": 0.2}
#: No rhythm is faster than 5 Hz, so that every second frame of 30 per second shows it.
HABITS: dict[str, Habit] = {
    "drink": Habit("upright", {"lick": 4.3}, {}),
    "eat": Habit("stand", {"nod": 1.75}, {}),
    "groom": Habit("sit", {"stroke": 3.8, "lift": 3.8, "nod": 3.8}, {}),
    "hang": Habit("upright", {"sway": 1.35, "pedal": 2.7}, {}),
    "sniff": Habit("stand", {"nod": 4.3, "reach": 4.3}, {"nod": 0.8, "reach": 1.2}),
    "rear": Habit("upright", {"sway": 0.65, "rise": 0.65, "look": 0.65}, {}),
    "rest": Habit("stand", {}, {}),
    "walk": Habit("stand", {"gait": 2.3}, {}),
    "eathand": Habit("sit", {"munch": 1.0, "nod": 1.0}, {"stroke": 0.6, "lift": 0.6}),
}


@dataclass(frozen=True)
class Bout:
    """Frames of one behaviour, from `start` up to `stop`."""

    behaviour: str
    start: int
    stop: int

    @property
    def stance(self) -> str:
        return HABITS[self.behaviour].stance


@dataclass(frozen=True)
class Room:
    """Where the middle of a mouse can be, px."""

    low: float  # on the bedding, from here
    high: float  # to here
    wall: float  # when it is upright at the wall
    size: float = 1.0  # of the mouse, as a factor: it walks that much faster

    @property
    def speed(self) -> float:
        """Of a walk, px/s: paws are on the ground for only a part of a cycle."""
        return self.size * 2 * STEP * HABITS["walk"].rhythms["gait"] / STANCE


def plan_bouts(rng: np.random.Generator, n: int, fps: float) -> list[Bout]:
    """Bouts over all frames: every behaviour once, in random order, then every one again.

    Every second bout of a behaviour is as long as the one before it was short, so that all share the time evenly.

    >>> bouts = plan_bouts(np.random.default_rng(0), 1200, 30.0)
    >>> sorted(bout.behaviour for bout in bouts[:9]) == sorted(BEHAVIOURS), bouts[-1].stop
    (True, 1200)
    """
    bouts: list[Bout] = []
    seconds: dict[str, float] = {}
    order: list[str] = []
    start = 0
    while start < n:
        if not order:
            order = [BEHAVIOURS[index] for index in rng.permutation(len(BEHAVIOURS))]
            if bouts and order[0] == bouts[-1].behaviour:  # none comes twice in a row
                order.append(order.pop(0))
        behaviour = order.pop(0)
        if behaviour in seconds:
            length = sum(BOUT) - seconds.pop(behaviour)
        else:
            length = seconds[behaviour] = rng.uniform(*BOUT)
        stop = min(n, start + max(1, round(length * fps)))
        bouts.append(Bout(behaviour, start, stop))
        start = stop
    return bouts


def frame_labels_of(bouts: Sequence[Bout]) -> npt.NDArray[np.int8]:
    """``(n,)`` index of each frame's behaviour in `BEHAVIOURS`."""
    indices = np.array([BEHAVIOURS.index(bout.behaviour) for bout in bouts], np.int8)
    return np.repeat(indices, [bout.stop - bout.start for bout in bouts])


def plan_postures(rng: np.random.Generator, bouts: Sequence[Bout], fps: float, room: Room) -> Floats:
    """``(n, 21)`` `FIELDS` of a posture, frame by frame; where each bout is and how it moves is random."""
    n = bouts[-1].stop
    half = HALF_BLEND * fps
    frames = np.arange(n)
    total = np.zeros((n, len(FIELDS)))
    place = rng.uniform(room.low, room.high)
    facing = float(rng.choice([-1.0, 1.0]))
    for number, bout in enumerate(bouts):
        shown = frames[max(0, int(bout.start - half)) : int(np.ceil(bout.stop + half)) + 1]
        seconds = (shown - bout.start) / fps
        end = _end(rng, bouts[number:], fps, place, room)
        way = _Way.plan(rng, bout, fps, (place, end), facing, room)
        track = _track(rng, bout, seconds, way)
        rises = _blend(shown, bout.start, half) if number else 1.0
        falls = _blend(shown, bout.stop, half) if number + 1 < len(bouts) else 0.0
        total[shown] += track * np.reshape(rises - falls, (-1, 1))
        place, facing = end, float(way.facings[-1])
    restless = [RESTLESS.get(field, 0.0) * wander(rng, n, 1.2 * fps) for field in FIELDS]
    return total + np.stack(restless, axis=1)


def _blend(frames: npt.NDArray[np.int_], at: int, half: float) -> Floats:
    """A smooth step from 0 to 1 at the boundary before frame `at`."""
    share = np.clip((frames - (at - 0.5) + half) / max(2 * half, 1e-9), 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


def _end(rng: np.random.Generator, bouts: Sequence[Bout], fps: float, place: float, room: Room) -> float:
    """Where the first of these bouts ends: within reach of `place`, and where the next upright one can be reached."""
    bout = bouts[0]
    if bout.stance == "upright":
        return room.wall
    ahead = next((k for k, later in enumerate(bouts) if later.stance == "upright"), len(bouts))
    reach = room.speed * (bout.stop - bout.start) / fps if bout.behaviour == "walk" else HOP
    low, high = max(room.low, place - reach, room.wall - HOP * ahead), min(room.high, place + reach)
    return float(rng.uniform(low, high)) if low < high else min(low, room.high)


@dataclass(frozen=True)
class _Way:
    """The path of one bout: its corners, when it is at each (s), and which way it faces between them."""

    corners: Floats
    times: Floats
    facings: Floats

    @classmethod
    def plan(
        cls, rng: np.random.Generator, bout: Bout, fps: float, ends: tuple[float, float], facing: float, room: Room
    ) -> _Way:
        """A walk to and fro between `ends`, or a stay at the second of them."""
        if bout.stance == "upright":
            facing = 1.0
        elif rng.random() < TURNS:
            facing = -facing
        if bout.behaviour != "walk":
            return cls(np.full(2, ends[1]), np.array([0.0, 1.0]), np.array([facing]))
        seconds = (bout.stop - bout.start) / fps
        corners = np.array(_zigzag(ends, max(room.speed * seconds, abs(ends[1] - ends[0])), facing, room))
        way = np.cumsum(np.abs(np.diff(corners, prepend=corners[0])))
        return cls(corners, way * (seconds / max(way[-1], 1e-9)), np.where(np.diff(corners) < 0, -1.0, 1.0))

    def places(self, seconds: Floats) -> Floats:
        """Corners are rounded: the mean over a third of a second."""
        return np.asarray(np.mean([np.interp(seconds + d, self.times, self.corners) for d in TURN], axis=0))

    def directions(self, seconds: Floats) -> Floats:
        """Of the animal, -1 to 1."""
        legs = [np.searchsorted(self.times[1:-1], seconds + d, side="right") for d in TURN]
        return np.asarray(np.mean([self.facings[leg] for leg in legs], axis=0))


def _zigzag(ends: tuple[float, float], length: float, side: float, room: Room) -> list[float]:
    """Corners of a path of `length` px between two places, first to one `side`, turning at the room's ends.

    >>> _zigzag((10.0, 20.0), 50.0, 1.0, Room(0.0, 100.0, 100.0))
    [10.0, 40.0, 20.0]
    """
    corners, end = [ends[0]], ends[1]
    low, high = min(room.low, *ends), max(room.high, *ends)
    while not low <= (turn := (side * length + corners[-1] + end) / 2) <= high:
        edge = high if side > 0 else low
        length -= abs(edge - corners[-1])
        side = -side
        corners.append(edge)
    return [*corners, turn, end]


Signals = dict[str, Floats]
Columns = dict[str, Floats | float]


def _track(rng: np.random.Generator, bout: Bout, seconds: Floats, way: _Way) -> Floats:
    """``(len(seconds), 21)`` postures of one bout."""
    columns = STANCES[bout.stance](rng, _signals(rng, HABITS[bout.behaviour], seconds))
    columns |= {
        "center": way.places(seconds),
        "facing": way.directions(seconds),
        "breath": 0.02 * np.sin(2 * np.pi * (2.2 * seconds + rng.uniform())),
        "food": float(bout.behaviour == "eathand"),
    }
    return np.stack([np.broadcast_to(columns[field], seconds.shape) for field in FIELDS], axis=1)


def _signals(rng: np.random.Generator, habit: Habit, seconds: Floats) -> Signals:
    """Every movement of a stance over time; those without a rhythm rest somewhere in their range."""
    pace, phase = rng.uniform(1 - FREQUENCY_SPREAD, 1 + FREQUENCY_SPREAD), rng.uniform()
    signals = {}
    for name, size in MOVEMENTS[habit.stance].items():
        own_phase, factor = rng.uniform(), rng.uniform(1 - SIZE_SPREAD, 1 + SIZE_SPREAD)
        hertz = habit.rhythms.get(name, 0.0)
        cycle = hertz * pace * seconds + (phase + LAGS.get(name, 0.0) if hertz else own_phase)
        swing = size * factor * habit.sizes.get(name, 1.0) * np.sin(2 * np.pi * cycle)
        signals[name] = cycle if name in TURNING else swing
    return signals


def _stand(rng: np.random.Generator, moves: Signals) -> Columns:
    """On four paws, the head low."""
    bob = 1.5 * np.sin(4 * np.pi * moves["gait"])
    columns = _on_the_spine(rng, hip=(-60.0, 47.0 + bob), pitch=0.12, length=100.0, arch=16.0)
    columns |= {
        "head_x": 0.4 * moves["reach"] + rng.uniform(-3, 3),
        "head_y": moves["reach"] + rng.uniform(-4, 4),
        "head_angle": rng.uniform(-0.6, -0.15) + moves["nod"],
        "tail": rng.uniform(0, 30),
    }
    for name, (root, phase) in STRIDES.items():
        columns[f"{name}_x"], columns[f"{name}_y"] = _stride(root, moves["gait"] + phase)
    return columns


def _stride(root: float, cycle: Floats) -> tuple[Floats, Floats]:
    """Place and height of a paw: back as fast as the animal goes ahead, then forward through the air."""
    phase = cycle % 1
    swing = np.clip((phase - STANCE) / (1 - STANCE), 0, 1)
    along = np.where(phase < STANCE, 1 - 2 * phase / STANCE, -np.cos(np.pi * swing))
    return root + STEP * along, 3.0 + 12.0 * np.sin(np.pi * swing)


def _sit(rng: np.random.Generator, moves: Signals) -> Columns:
    """On the haunches, both forepaws at the face."""
    columns = _on_the_spine(rng, hip=(-38.0, 40.0), pitch=0.85, length=82.0, arch=26.0)
    columns |= {
        "head_x": rng.uniform(-2, 6),
        "head_y": rng.uniform(-6, 2),
        "head_angle": rng.uniform(-0.75, -0.35) + moves["nod"],
        "hind_x": rng.uniform(-18, -4),
        "hind_y": 3.0,
        "far_hind_x": rng.uniform(-8, 4),
        "far_hind_y": 5.0,
        "tail": rng.uniform(0, 30),
    }
    # Paws so many px ahead of the head's joint, and above its axis.
    x = columns["hip_x"] + columns["length"] * np.cos(columns["pitch"]) + columns["head_x"]
    y = columns["hip_y"] + columns["length"] * np.sin(columns["pitch"]) + columns["head_y"]
    cos, sin = np.cos(columns["head_angle"]), np.sin(columns["head_angle"])
    along, above = moves["stroke"] + 0.6 * moves["munch"], -10.0 + (moves["lift"] + 0.8 * moves["munch"])
    for name, start in (("fore", 42.0), ("far_fore", 50.0)):
        ahead = start + along
        columns[f"{name}_x"], columns[f"{name}_y"] = x + ahead * cos - above * sin, y + ahead * sin + above * cos
    return columns


def _upright(rng: np.random.Generator, moves: Signals) -> Columns:
    """Stretched along the wall, forepaws at the lid, the snout at the spout."""
    hip = -52.0 + moves["sway"], 66.0 + 0.6 * moves["rise"]
    columns = _on_the_spine(rng, hip, pitch=1.15, length=100.0, arch=8.0)
    # The neck stays where the paws hold it while the hip swings below.
    columns["pitch"] = columns["pitch"] + 0.008 * moves["sway"]
    columns |= {
        "head_x": 0.9 * moves["lick"] - 0.45 * moves["sway"] + rng.uniform(-3, 3),
        "head_y": 0.4 * moves["lick"] + 0.6 * moves["rise"],
        "head_angle": rng.uniform(0.15, 0.5) + moves["look"],
        "tail": rng.uniform(0, 20),
    }
    hold = rng.uniform(34, 52)
    columns |= {"fore_x": hold, "fore_y": 216.0 + rng.uniform(-6, 4)}
    columns |= {"far_fore_x": hold + rng.uniform(-14, 6), "far_fore_y": 220.0 + rng.uniform(-6, 2)}
    for name, root, phase in (("hind", -40.0, 0.0), ("far_hind", -30.0, 0.5)):
        turn = 2 * np.pi * (moves["pedal"] + phase)
        columns[f"{name}_x"] = root + 0.5 * moves["sway"] + 15 * np.cos(turn)
        columns[f"{name}_y"] = 13 + 11 * np.sin(turn)
    return columns


Stance = Callable[[np.random.Generator, Signals], Columns]
STANCES: dict[str, Stance] = {"stand": _stand, "sit": _sit, "upright": _upright}


def _on_the_spine(
    rng: np.random.Generator, hip: tuple[Floats | float, Floats | float], pitch: float, length: float, arch: float
) -> Columns:
    """A spine of this kind, a little different in every bout."""
    return {
        "hip_x": hip[0] + rng.uniform(-4, 4),
        "hip_y": hip[1] + rng.uniform(-3, 3),
        "pitch": pitch + rng.uniform(-0.06, 0.06),
        "length": length * rng.uniform(0.96, 1.04),
        "arch": arch + rng.uniform(-4, 4),
    }
