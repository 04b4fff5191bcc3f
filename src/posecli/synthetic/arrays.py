"""Kinds of arrays that scenes are made of."""

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
#: x, y in px along the last axis.
Points = Floats
Image = npt.NDArray[np.uint8]
#: Brightness of pixels, 0 to 255.
Light = npt.NDArray[np.float32]
Color = npt.NDArray[np.float32]
Mask = npt.NDArray[np.float32]
