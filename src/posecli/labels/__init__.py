"""Labelled frames, read from a DeepLabCut project.

::

    labeled-data/<video>/CollectedData_<scorer>.h5   the labels, or .csv where there is no .h5
    labeled-data/<video>/img0000.png                 the frames

Coordinates are px of the image, in the convention of poses (`posecli.video.geometry`), and are used unchanged.
"""

from __future__ import annotations

from posecli.labels.data import (
    LabeledData,
    LabeledFrame,
    image_size,
    read_bgr,
    read_image,
    read_split,
    split_frames,
    write_split,
)
from posecli.labels.reading import CONFIG, LABELED_DATA, MOST_OUTSIDE, read_labeled_data

__all__ = [
    "CONFIG",
    "LABELED_DATA",
    "MOST_OUTSIDE",
    "LabeledData",
    "LabeledFrame",
    "image_size",
    "read_bgr",
    "read_image",
    "read_labeled_data",
    "read_split",
    "split_frames",
    "write_split",
]
