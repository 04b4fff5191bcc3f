"""What is wrong with a behaviour table, as far as it tells by itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from posecli.behaviour.table import labels_of
from posecli.model.clip import TABLE_COLUMNS


def problems_of(frames: pd.DataFrame, chunks: pd.DataFrame) -> list[str]:
    """In words; `frames` and `chunks` as `posecli.behaviour.table.read_behaviours` gives them."""
    return [*_probabilities(frames), *_probabilities(chunks), *_covered(frames, chunks)]


def _probabilities(table: pd.DataFrame) -> Iterator[str]:
    """Probabilities and labels that belong together."""
    classes = [name for name in table.columns if name not in TABLE_COLUMNS]
    values = table[classes].to_numpy()
    known = np.isfinite(values).all(axis=1)
    if ((values[known] < 0) | (values[known] > 1)).any() or not np.allclose(values[known].sum(axis=1), 1):
        yield "its probabilities are not between 0 and 1 with a sum of 1"
    if table["label"].tolist() != labels_of(values, tuple(classes)).tolist():
        yield "its labels are not those of the highest probabilities"


def _covered(frames: pd.DataFrame, chunks: pd.DataFrame) -> Iterator[str]:
    if frames.index.tolist() != list(range(len(frames))):
        yield "its frames are not counted from 0 without gaps"
    if len(chunks) and not 0 <= chunks["first_frame"].min() <= chunks["end_frame"].max() <= len(frames):
        yield "its chunks lie outside its frames"
