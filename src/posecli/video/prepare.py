"""One displayed frame down the geometry ladder, into its place in a batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt

from posecli.video.batch import Batch
from posecli.video.geometry import Geometry
from posecli.video.opencv import import_cv2

cv2 = import_cv2()


def prepare(image: npt.NDArray[np.uint8], geometry: Geometry, out: npt.NDArray[np.uint8]) -> None:
    """Crop, resize and turn to RGB.

    Parameters
    ----------
    image
        ``(height, width, 3)`` BGR, as displayed.
    geometry
        Crop and size. Shrinking averages areas; enlarging interpolates linearly.
    out
        ``(geometry.height, geometry.width, 3)``, filled with RGB.
    """
    if geometry.is_cropped:
        image = image[geometry.crop.y1 : geometry.crop.y2, geometry.crop.x1 : geometry.crop.x2]
    if geometry.is_resized:
        shrinks = geometry.width * geometry.height < image.shape[0] * image.shape[1]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image = cv2.resize(image, (geometry.width, geometry.height), interpolation=method)
    cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=out)


def prepared(images: Iterable[npt.NDArray[np.uint8] | None], geometry: Geometry, batch_size: int) -> Iterator[Batch]:
    """Displayed BGR images of one size in batches; ``None`` is not valid. A batch is overwritten by the next."""
    slots = np.empty((batch_size, geometry.height, geometry.width, 3), np.uint8)
    left = iter(images)
    while some := list(islice(left, batch_size)):
        for image, slot in zip(some, slots, strict=False):
            if image is None:
                slot[:] = 0
            else:
                prepare(image, geometry, slot)
        yield Batch.of(slots[: len(some)], geometry, valid=np.array([image is not None for image in some]))
