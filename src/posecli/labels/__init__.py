"""Labelled frames, read from a DeepLabCut project.

::

    labeled-data/<video>/CollectedData_<scorer>.h5   the labels, or .csv where there is no .h5
    labeled-data/<video>/img0000.png                 the frames

Coordinates are px of the image, in the convention of poses (`posecli.video.geometry`), and are used unchanged.
"""

from __future__ import annotations

from posecli.labels.data import LabeledData, split_frames
from posecli.labels.reading import read_labeled_data

__all__ = ["LabeledData", "read_labeled_data", "split_frames"]
