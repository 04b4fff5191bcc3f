"""Labels of a whole project, checked: body parts, images and points that fit together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from posecli.errors import LabelError
from posecli.labels.data import LabeledData, LabeledFrame
from posecli.labels.files import CONFIG, config_bodyparts, find_tables
from posecli.labels.images import image_size
from posecli.labels.tables import LabelTable, read_label_table

#: More labels than this outside of their image are no slips of the hand: the labels belong to other images.
MOST_OUTSIDE = 0.1


def read_labeled_data(
    path: Path, bodyparts: Sequence[str] | None = None, *, allow_unlabeled: bool = False
) -> LabeledData:
    """Read labels, and check that they and their images fit together.

    Parameters
    ----------
    path
        A project folder or its ``config.yaml``, a ``labeled-data`` folder, one video's folder in it, or one
        ``CollectedData`` file (``.h5`` or ``.csv``).
    bodyparts
        Body parts to read, in this order; others are left out. By default those of ``config.yaml``, where there is
        one, and otherwise all that are labelled.
    allow_unlabeled
        Accept a body part without a single label, whose points are all NaN.

    Returns
    -------
    LabeledData
        Frames on which nothing is labelled are there too: they say that nothing can be seen.

    Raises
    ------
    LabelError
        If there are no labels, an image is missing or cannot be read, body parts do not fit the project's, labels
        are infinite, or too many lie outside of their images.
    """
    tables, config = find_tables(path)
    known = config_bodyparts(path, config)
    found = [read_label_table(table) for table in tables]
    wanted = tuple(bodyparts) if bodyparts is not None else known or _all_bodyparts(found)
    if bodyparts is None and known:
        _refuse_unknown(found, known)
    _refuse_absent(found, wanted, path)
    frames = sorted((frame for labels in found for frame in labels.frames(wanted)), key=lambda frame: frame.name)
    _refuse_twins(frames, path)
    frames, notes = _without_points_outside(frames)
    data = LabeledData(wanted, tuple(frames), "+".join(sorted({labels.scorer for labels in found})), notes)
    _refuse_unlabeled(data, path, allow_unlabeled=allow_unlabeled)
    return data


def _all_bodyparts(found: Sequence[LabelTable]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for labels in found for name in labels.bodyparts))


def _refuse_unknown(found: Sequence[LabelTable], known: Sequence[str]) -> None:
    """Labelled body parts that the project does not have: most likely misspelt in one place."""
    for labels in found:
        for name in labels.bodyparts:
            if name not in known:
                raise LabelError(
                    f"'{labels.path}' labels body part '{name}', but {CONFIG} has {', '.join(known)}: "
                    "correct the name in one of them"
                )


def _refuse_absent(found: Sequence[LabelTable], wanted: Sequence[str], path: Path) -> None:
    there = _all_bodyparts(found)
    for name in wanted:
        if name not in there:
            raise LabelError(f"'{path}' has no labels of body part '{name}', only of {', '.join(there)}: correct it")


def _refuse_twins(frames: Sequence[LabeledFrame], path: Path) -> None:
    name, count = Counter(frame.name for frame in frames).most_common(1)[0]
    if count > 1:
        raise LabelError(f"'{path}' labels '{name}' {count} times: keep one row of it")


def _refuse_unlabeled(data: LabeledData, path: Path, *, allow_unlabeled: bool) -> None:
    labeled = np.isfinite(data.points[..., 0]).any(axis=0)
    if not labeled.any():
        raise LabelError(f"'{path}' has {len(data)} frames without a single label: label some and save them")
    if not labeled.all() and not allow_unlabeled:
        name = data.bodyparts[int(np.argmin(labeled))]
        raise LabelError(
            f"'{path}' has no label of body part '{name}' on any frame: label it, or take it out of the body parts"
        )


def _without_points_outside(frames: Sequence[LabeledFrame]) -> tuple[list[LabeledFrame], tuple[str, ...]]:
    """Take labels outside of their image for none, as DeepLabCut does when it trains; refuse many."""
    kept, outside = [], []
    for frame in frames:
        x, y = frame.points.T
        width, height = image_size(frame.image)
        lost = ~((x > 0) & (x < width) & (y > 0) & (y < height)) & ~np.isnan(x)
        kept.append(replace(frame, points=np.where(lost[:, None], np.nan, frame.points)))
        outside += [frame.name] * int(lost.sum())
    if not outside:
        return kept, ()
    total = sum(int(np.isfinite(frame.points[:, 0]).sum()) for frame in frames)
    note = f"{len(outside)} of {total} labels lie outside of their image, first on '{outside[0]}'"
    if len(outside) > MOST_OUTSIDE * total:
        raise LabelError(f"{note}: check that images and labels belong together and have the same size")
    return kept, (f"{note}; they count as not labelled",)
