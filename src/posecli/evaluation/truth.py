"""True points: the table that holds them, and the body parts that they share with a network's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.errors import LabelError
from posecli.hdf5 import read_plain_table
from posecli.predictor import PoseModel

Floats = npt.NDArray[np.float64]


def read_truth(path: Path) -> tuple[tuple[str, ...], Floats]:
    """Body parts and points ``(N, K, 2)``, px, of a table of poses; NaN where hidden.

    Raises
    ------
    LabelError
        If it is no such table.
    """
    content = read_plain_table(path, LabelError)
    return bodyparts_of(content), points_of(content, path, ("x", "y"))


def bodyparts_of(content: Any) -> tuple[str, ...]:
    """Names of the body parts of a pose table, in its order."""
    return tuple(dict.fromkeys(str(label[-2]) for label in content.columns if len(label) == 3))


def points_of(content: Any, path: Path, coords: Sequence[str]) -> Floats:
    """``(N, K, c)`` of a pose table."""
    places = {label[1:]: place for place, label in enumerate(content.columns)}
    wanted = [(name, coord) for name in bodyparts_of(content) for coord in coords]
    if not wanted or not set(wanted) <= set(places):
        raise LabelError(f"'{path}' is no pose table of one animal: it lacks columns {', '.join(coords)} by body part")
    values: Floats = content.values[:, [places[key] for key in wanted]]
    return values.reshape(len(values), -1, len(coords))


def chosen_bodyparts(points: Floats, have: Sequence[str], want: Sequence[str]) -> Floats:
    """The wanted body parts of an array ``(..., K, c)``."""
    return points[..., [have.index(name) for name in want], :]


def common_bodyparts(model: PoseModel, labeled: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What both know, in the model's order, and a note on the rest."""
    have = model.description.bodyparts
    common = tuple(name for name in have if name in labeled)
    if not common:
        raise nothing_in_common(have, labeled)
    rest = [name for name in (*have, *labeled) if name not in common]
    return common, (
        f"body parts that only one of model and labels has are left out: {', '.join(rest)}",
    ) if rest else ()


def nothing_in_common(have: Sequence[str], known: Sequence[str]) -> LabelError:
    """What to raise where a network and labels share no body part."""
    return LabelError(
        f"model and labels have no body part in common: the model finds {', '.join(have)}, labelled are "
        f"{', '.join(known)}; rename one of them, or choose another model"
    )
