"""True points: the table that holds them, and the body parts that they share with a network's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.errors import LabelError
from posecli.inference.predictor import PoseModel
from posecli.options import TableChoice
from posecli.tables.poses import PoseData, one_animal, read_poses

Floats = npt.NDArray[np.float64]


def read_truth(path: Path, choice: TableChoice = TableChoice()) -> PoseData:
    """A pose table of one animal whose positions are the true ones, NaN where hidden; it need not have likelihoods."""
    return one_animal(read_poses(path, choice, LabelError, needs_likelihood=False), LabelError)


def positions(poses: PoseData, frames: npt.NDArray[np.int64], bodyparts: Sequence[str]) -> Floats:
    """``(len(frames), len(bodyparts), 2)`` px of a table; NaN of frames and of body parts that it does not have."""
    found = np.full((len(frames), len(bodyparts), 2), np.nan)
    there = np.isin(frames, poses.frames)
    rows = np.searchsorted(poses.frames, frames[there])
    for place, name in enumerate(bodyparts):
        if name in poses.bodyparts:
            found[there, place] = poses.points[rows, poses.bodyparts.index(name), :2]
    return found


def chosen_bodyparts(points: Floats, have: Sequence[str], want: Sequence[str]) -> Floats:
    """The wanted body parts of an array ``(..., K, c)``."""
    return points[..., [have.index(name) for name in want], :]


def common_bodyparts(model: PoseModel, labeled: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Body parts that both have, in the model's order, and a note on the others."""
    have = model.description.bodyparts
    common = tuple(name for name in have if name in labeled)
    if not common:
        raise nothing_in_common(have, labeled)
    rest = [name for name in (*have, *labeled) if name not in common]
    return common, (
        f"body parts that only one of model and labels has are left out: {', '.join(rest)}",
    ) if rest else ()


def nothing_in_common(have: Sequence[str], known: Sequence[str]) -> LabelError:
    """The error if network and labels share no body part."""
    return LabelError(
        f"model and labels have no body part in common: the model finds {', '.join(have)}, labelled are "
        f"{', '.join(known)}; rename one of them, or choose another model"
    )
