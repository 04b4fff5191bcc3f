"""A batch: frames of a video, or chunks of them, as the network sees them, with what was done to each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.video.geometry import BatchGeometry, Geometry


@dataclass(frozen=True)
class Batch:
    """Items of a video: frames, or chunks of frames. It is indexed as an array of ``B`` items is.

    Attributes
    ----------
    images
        ``(B, H, W, 3)`` uint8 RGB, or ``(B, T, H, W, 3)`` of chunks; black where not decoded.
    geometry
        ``(B,)``, what was done to the frames of each item.
    indices
        ``(B,)`` int64, numbers of the items in the video.
    seconds
        ``(B,)`` float64 presentation times; NaN where nobody asked for them.
    valid
        ``(B,)`` bool, whether an item could be decoded, with all its frames.
    fresh
        ``(B,)`` int64, frames of the video that were read for each item: 1 for a frame.
    """

    images: npt.NDArray[np.uint8]
    geometry: BatchGeometry
    indices: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]
    valid: npt.NDArray[np.bool_]
    fresh: npt.NDArray[np.int64]

    @classmethod
    def of(cls, images: npt.NDArray[np.uint8], geometry: Geometry | None = None, **known: Any) -> Batch:
        """A batch of images that all had the same geometry, by default none; other fields as far as they are known."""
        count = len(images)
        made = BatchGeometry.none(count) if geometry is None else geometry.of_batch(count)
        unknown = {
            "indices": np.arange(count),
            "seconds": np.full(count, np.nan),
            "valid": np.ones(count, np.bool_),
            "fresh": np.ones(count, np.int64),
        }
        return cls(images, made, **(unknown | known))

    def __post_init__(self) -> None:
        if len({len(getattr(self, field.name)) for field in fields(self)}) != 1:
            raise ValueError(f"fields of a batch differ in length: {self}")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, chosen: slice | npt.NDArray[Any]) -> Batch:
        return Batch(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def split(self, size: int) -> Iterator[Batch]:
        """Batches of at most so many items."""
        return (self[start : start + size] for start in range(0, len(self), size))

    @property
    def frames(self) -> int:
        """Frames of the video that were read for the batch."""
        return int(self.fresh.sum())

    def __repr__(self) -> str:
        span = f"{self.indices[0]}..{self.indices[-1]}" if len(self) else "none"
        return f"Batch(images={self.images.shape} {self.images.dtype}, items {span}, valid={self.valid.sum()})"
