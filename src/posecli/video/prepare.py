"""One decoded frame down the geometry ladder, into its place in a batch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posecli.geometry import Geometry
from posecli.video.opencv import import_cv2

cv2 = import_cv2()

#: `cv2.rotate` code for each counter-clockwise rotation in degrees.
ROTATIONS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


def prepare(image: npt.NDArray[np.uint8], rotation: int, geometry: Geometry, out: npt.NDArray[np.uint8]) -> None:
    """Rotate, crop, resize and turn to RGB.

    Parameters
    ----------
    image
        ``(coded height, coded width, 3)`` BGR.
    rotation
        Degrees counter-clockwise for display: 0, 90, 180 or 270.
    geometry
        Crop and size. Shrinking averages areas; enlarging interpolates linearly.
    out
        ``(geometry.height, geometry.width, 3)``, filled with RGB.
    """
    if rotation:
        image = cv2.rotate(image, ROTATIONS[rotation])
    if geometry.is_cropped:
        image = image[geometry.crop.y1 : geometry.crop.y2, geometry.crop.x1 : geometry.crop.x2]
    if geometry.is_resized:
        shrinks = geometry.width * geometry.height < image.shape[0] * image.shape[1]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image = cv2.resize(image, (geometry.width, geometry.height), interpolation=method)
    cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=out)
