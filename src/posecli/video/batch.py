"""A batch: frames of a video, or chunks of them, prepared for the network, with what was done to each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from itertools import islice, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.video.geometry import BatchGeometry, Floats, Geometry
from posecli.video.opencv import GREY, Image, import_cv2

cv2 = import_cv2()


@dataclass(frozen=True)
class Batch:
    """Items of a video: frames, or chunks of frames. It is indexed as an array of ``B`` items is."""

    #: ``(B, H, W, 3)`` uint8 RGB, or ``(B, T, H, W, 3)`` of chunks; black where not decoded.
    images: npt.NDArray[np.uint8]
    geometry: BatchGeometry  #: ``(B,)``, what was done to the frames of each item.
    indices: npt.NDArray[np.int64]  #: ``(B,)`` int64, numbers of the items in the video.
    seconds: npt.NDArray[np.float64]  #: ``(B,)`` float64 presentation times; NaN where nobody asked for them.
    valid: npt.NDArray[np.bool_]  #: ``(B,)`` bool, whether an item could be decoded, with all its frames.
    #: ``(B,)`` int64, frames of the video that were read for each item: 1 for a frame.
    fresh: npt.NDArray[np.int64]
    #: ``(B, 4)`` float64, where the animal is: x and y of a box's upper left corner, width and height, px of the
    #: displayed frame; NaN where it is not seen. ``None`` where nobody has said.
    boxes: npt.NDArray[np.float64] | None = None

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

    @classmethod
    def joined(cls, batches: Sequence[Batch]) -> Batch:
        """The items of one batch or more, of one shape, in order."""
        columns = zip(*(batch._parts() for batch in batches), strict=True)
        joined: list[Any] = [None if parts[0] is None else _joined(parts) for parts in columns]
        return cls(*joined)

    def __post_init__(self) -> None:
        if len({len(part) for part in self._parts() if part is not None}) != 1:
            raise ValueError(f"fields of a batch differ in length: {self}")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, chosen: slice | npt.NDArray[Any]) -> Batch:
        chosen_parts: list[Any] = [None if part is None else part[chosen] for part in self._parts()]
        return Batch(*chosen_parts)

    def _parts(self) -> list[Any]:
        return [getattr(self, field.name) for field in fields(self)]

    def split(self, size: int) -> Iterator[Batch]:
        """Batches of at most so many items."""
        return (self[start : start + size] for start in range(0, len(self), size))

    def groups(self, size: int) -> Iterator[Batch]:
        """Batches of items between multiples of a size, counted from the video's first item.

        >>> batch = Batch.of(np.zeros((5, 1, 1, 3), np.uint8), indices=np.arange(6, 11))
        >>> [part.indices.tolist() for part in batch.groups(4)]
        [[6, 7], [8, 9, 10]]
        """
        bounds = np.flatnonzero(np.diff(self.indices // size)) + 1
        return (self[slice(start, stop)] for start, stop in pairwise([0, *bounds, len(self)]))

    @property
    def frames(self) -> int:
        """Frames of the video that were read for the batch."""
        return int(self.fresh.sum())

    def __repr__(self) -> str:
        span = f"{self.indices[0]}..{self.indices[-1]}" if len(self) else "none"
        return f"Batch(images={self.images.shape} {self.images.dtype}, items {span}, valid={self.valid.sum()})"


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], BatchGeometry):
        return BatchGeometry(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("offset", "scale")))
    return np.concatenate(parts)


def boxes_at(boxes: Floats, places: npt.NDArray[np.int64]) -> Floats:
    """Boxes ``(len(places), 4)`` of the frames at these places of a video; NaN beyond those that are given."""
    found, told = np.full((len(places), 4), np.nan), places < len(boxes)
    found[told] = boxes[places[told]]
    return found


def prepare(image: Image, geometry: Geometry, out: Image) -> None:
    """Bring a displayed frame into its place in a batch, ``(H, W, 3)`` RGB.

    The frame is ``(height, width, 3)`` BGR, or ``(height, width)`` if its channels are equal. It is cropped and
    resized: shrinking averages areas, enlarging interpolates linearly.
    """
    if geometry.is_cropped:
        image = image[geometry.crop.y1 : geometry.crop.y2, geometry.crop.x1 : geometry.crop.x2]
    if geometry.is_resized:
        image = _resized(image, geometry)
    cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if image.ndim == GREY else cv2.COLOR_BGR2RGB, dst=out)


def rescaled(batch: Batch, scale: Fraction) -> Batch:
    """Frames resized once more, as if they had been prepared with another scale."""
    height, width = batch.images.shape[1:3]
    geometry = Geometry.plan(width, height, scale=scale)
    images = np.empty((len(batch), geometry.height, geometry.width, 3), np.uint8)
    for image, out in zip(batch.images, images, strict=True):
        out[:] = _resized(image, geometry)
    factors = BatchGeometry(batch.geometry.offset, batch.geometry.scale * geometry.scale)
    return replace(batch, images=images, geometry=factors)


def _resized(image: Image, geometry: Geometry) -> Image:
    """Shrinking averages areas, enlarging interpolates linearly."""
    shrinks = geometry.width * geometry.height < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (geometry.width, geometry.height), interpolation=method))


def prepared(
    images: Iterable[Image | None], geometry: Geometry, batch_size: int, boxes: Floats | None = None
) -> Iterator[Batch]:
    """Displayed BGR images of one size in batches; ``None`` is not valid. A batch is overwritten by the next.

    `boxes` are those of the animal in all of them, as `Batch` has them.
    """
    slots = np.empty((batch_size, geometry.height, geometry.width, 3), np.uint8)
    left = iter(images)
    done = 0
    while some := list(islice(left, batch_size)):
        for image, slot in zip(some, slots, strict=False):
            if image is None:
                slot[:] = 0
            else:
                prepare(image, geometry, slot)
        of_these = None if boxes is None else boxes[done : done + len(some)]
        valid = np.array([image is not None for image in some])
        yield Batch.of(slots[: len(some)], geometry, valid=valid, boxes=of_these)
        done += len(some)
