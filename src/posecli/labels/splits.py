"""Frames to train on and frames to test on: drawn, named, or read from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from posecli.errors import UsageError
from posecli.labels.data import LabeledData
from posecli.support.files import write_whole
from posecli.support.yamlfile import read_yaml


def split_frames(data: LabeledData, held_out: Sequence[str] | float, seed: int = 0) -> tuple[LabeledData, LabeledData]:
    """Split into frames to train on and frames to test on.

    Parameters
    ----------
    data
        All frames.
    held_out
        Names of the frames to test on, in full or as far as they are unique (``img0007.png``), possibly none; or the
        fraction of frames to draw at random, between 0 and 1: at least one frame.
    seed
        Of the draw.

    Returns
    -------
    train, test : LabeledData
        Together all frames.

    Raises
    ------
    UsageError
        If a name is unknown or not unique, or no frame would be left to train on.
    """
    if isinstance(held_out, float | int):
        chosen = _drawn(data, float(held_out), seed)
    else:
        chosen = {_full_name(data, name) for name in held_out}
    train = data.select(name for name in data.names if name not in chosen)
    if not train.frames:
        raise UsageError(f"holding out {len(chosen)} of {len(data)} labelled frames leaves none: hold out fewer")
    return train, data.select(chosen)


def read_split(path: Path, data: LabeledData) -> tuple[LabeledData, LabeledData]:
    """Frames to train on and to test on, by the lists ``train`` and ``test`` of a YAML file; others are in neither.

    Raises
    ------
    UsageError
        If the file has other keys, names a frame that is not in the data, or names one in both lists.
    """
    content = read_yaml(path, UsageError)
    if set(content) != {"train", "test"} or not all(_is_names(names) for names in content.values()):
        raise UsageError(f"'{path}' is not a split: expected two lists of frame names, 'train' and 'test'")
    train, test = ({_full_name(data, name) for name in content[key]} for key in ("train", "test"))
    if both := sorted(train & test):
        raise UsageError(f"'{path}' has '{both[0]}' in both lists: keep it in one, or the test error means nothing")
    return data.select(train), data.select(test)


def write_split(path: Path, train: Sequence[str], test: Sequence[str]) -> None:
    """Write the file that `read_split` reads: names of the images trained on and held out."""
    content = {"train": list(train), "test": list(test)}
    write_whole(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _drawn(data: LabeledData, fraction: float, seed: int) -> set[str]:
    if not 0 < fraction < 1:
        raise UsageError(f"held-out fraction {fraction:g} is out of range: give a number between 0 and 1")
    count = max(1, round(len(data) * fraction))
    order = np.random.default_rng(seed).permutation(len(data))
    return {data.names[place] for place in order[:count]}


def _full_name(data: LabeledData, name: str) -> str:
    wanted = name.replace("\\", "/")
    found = [full for full in data.names if full == wanted or full.endswith(f"/{wanted}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"frame '{name}' could be '{found[0]}' or '{found[1]}': give its name in full")
    raise UsageError(f"frame '{name}' is not among the labelled frames ('{data.names[0]}', ...): correct its name")
