"""Labels of a whole project, checked: body parts, images and points that fit together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from posecli.errors import LabelError
from posecli.labels.data import LabeledData, LabeledFrame
from posecli.labels.images import image_size
from posecli.labels.tables import LABELED_DATA, LabelTable, read_label_table, refuse_several_animals
from posecli.support.yamlfile import brief, name_of, read_yaml, truth_of

CONFIG = "config.yaml"
#: If more of the labels lie outside of their images, they belong to other images.
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
        Accept a body part without any label, whose points are all NaN.

    Returns
    -------
    LabeledData
        Frames without labels are included: they say that nothing can be seen.

    Raises
    ------
    LabelError
        If there are no labels, an image is missing or cannot be read, body parts do not fit the project's, labels
        are infinite, or too many lie outside of their images.
    """
    tables, config = _find_tables(path)
    known = _config_bodyparts(path, config)
    found = [read_label_table(table) for table in tables]
    there = dict.fromkeys(name for labels in found for name in labels.bodyparts)
    wanted = tuple(bodyparts) if bodyparts is not None else known or tuple(there)
    if bodyparts is None and known:
        _refuse_unknown(found, known)
    for name in wanted:
        if name not in there:
            raise LabelError(f"'{path}' has no labels of body part '{name}', only of {', '.join(there)}: correct it")
    frames = sorted((frame for labels in found for frame in labels.frames(wanted)), key=lambda frame: frame.name)
    name, count = Counter(frame.name for frame in frames).most_common(1)[0]
    if count > 1:
        raise LabelError(f"'{path}' labels '{name}' {count} times: keep one row of it")
    frames, notes = _without_points_outside(frames)
    data = LabeledData(wanted, tuple(frames), "+".join(sorted({labels.scorer for labels in found})), notes)
    _refuse_unlabeled(data, path, allow_unlabeled=allow_unlabeled)
    return data


def _refuse_unknown(found: Sequence[LabelTable], known: Sequence[str]) -> None:
    """Refuse labelled body parts that the project does not have: most likely a typing error."""
    for labels in found:
        for name in labels.bodyparts:
            if name not in known:
                raise LabelError(
                    f"'{labels.path}' labels body part '{name}', but {CONFIG} has {', '.join(known)}: "
                    "correct the name in one of them"
                )


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
    """Drop labels outside of their image, as DeepLabCut does when it trains; refuse many."""
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


def _find_tables(path: Path) -> tuple[list[Path], Mapping[str, Any]]:
    """The label files that a path stands for, and the project's settings, empty where it has none."""
    if not path.exists():
        raise LabelError(f"labelled data '{path}' do not exist: check the path")
    if path.is_file() and path.suffix.lower() in (".h5", ".csv"):
        return [path], _project_of(path.resolve().parent.parent)
    if path.is_file() and path.suffix not in (".yaml", ".yml"):
        raise LabelError(f"'{path}' holds no labels: give a DeepLabCut project, or a CollectedData file (.h5 or .csv)")
    folder = path.parent if path.is_file() else path
    if path.is_file() or (folder / LABELED_DATA).is_dir():
        config: Mapping[str, Any] = read_yaml(path if path.is_file() else folder / CONFIG, LabelError)
        folder /= LABELED_DATA
    else:
        config = _project_of(folder.resolve()) or _project_of(folder.resolve().parent)
    if truth_of(config.get("multianimalproject")) is True:
        refuse_several_animals(path, config.get("individuals"))
    tables = _tables_below(folder, config.get("scorer"))
    if not tables:
        raise LabelError(
            f"'{path}' holds no labels: expected {LABELED_DATA}/<video>/CollectedData_<scorer>.h5 or .csv, "
            "as DeepLabCut saves them"
        )
    return tables, config


def _project_of(folder: Path) -> Mapping[str, Any]:
    """Settings of the project whose ``labeled-data`` a folder is."""
    config = folder.parent / CONFIG
    return read_yaml(config, LabelError) if folder.name == LABELED_DATA and config.is_file() else {}


def _tables_below(folder: Path, scorer: object) -> list[Path]:
    """One label file of each video's folder that has any, or of the folder itself."""
    if not folder.is_dir():
        return []
    folders = [folder, *sorted(entry for entry in folder.iterdir() if entry.is_dir())]
    return [table for entry in folders if (table := _table_in(entry, scorer)) is not None]


def _table_in(folder: Path, scorer: object) -> Path | None:
    """The labels of the project's scorer, or those of the only one; ``.h5`` before ``.csv``."""
    found = {path.stem: path for ending in ("csv", "h5") for path in folder.glob(f"CollectedData*.{ending}")}
    own = f"CollectedData_{scorer}"
    if own in found or len(found) <= 1:
        return found.get(own, next(iter(found.values()), None))
    names = ", ".join(sorted(found))
    raise LabelError(f"'{folder}' holds labels of several people ({names}): give the file of one of them")


def _config_bodyparts(path: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Body parts that a project's settings name, if any."""
    # A multi-animal project, which may be of one animal, has them elsewhere.
    several = truth_of(config.get("multianimalproject")) is True and isinstance(config.get("bodyparts"), str)
    names = config.get("multianimalbodyparts" if several else "bodyparts")
    if names is None:
        return ()
    try:
        parts = tuple(name_of(name) for name in names) if isinstance(names, list) else ()
    except TypeError as error:
        raise LabelError(f"the project of '{path}' has a body part that {error}") from None
    if not parts or len(set(parts)) < len(parts):
        raise LabelError(f"the project of '{path}' has body parts {brief(names)}: expected a list of distinct names")
    return parts
