"""How a decoded picture is turned and mirrored for display."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideDataContainer, Type

from posecli.errors import VideoError
from posecli.video.opencv import import_cv2

cv2 = import_cv2()

Image = npt.NDArray[np.uint8]

TOLERANCE = 1.01  #: Degrees by which a turn may miss a right angle, as in FFmpeg.
#: Bytes of a JPEG picture in which Exif data begin, the tag of the orientation, and its values that mirror.
EXIF_WITHIN, EXIF_ORIENTATION, EXIF_MIRRORS = 1 << 16, 0x0112, (2, 4, 5, 7)


@dataclass(frozen=True)
class Orientation:
    """A turn by right angles and then a mirror, which is all that players do.

    >>> Orientation(90).applied(np.array([[1, 2]], np.uint8)).tolist()
    [[2], [1]]
    >>> Orientation(0, mirrored=True).applied(np.array([[1, 2]], np.uint8)).tolist()
    [[2, 1]]
    """

    rotation: int = 0  #: Degrees counter-clockwise: 0, 90, 180 or 270.
    mirrored: bool = False  #: Whether left and right are swapped after the turn.

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Orientation | None:
        """From a decoded picture's display matrix; ``None`` if it has none, so that the one before still holds."""
        try:
            # Not `frame.side_data`: frame and container would hold each other, and with them the decoder's memory.
            matrix = SideDataContainer(frame).get(Type.DISPLAYMATRIX)  # type: ignore[call-arg]  # untyped in the stubs
        except ValueError:  # pictures with Exif, which PyAV does not know, though it tells their turn
            return cls(round(frame.rotation) % 360 if frame.rotation % 90 == 0 else 0)
        return None if matrix is None else cls.from_matrix(np.frombuffer(bytes(matrix), np.int32))

    @classmethod
    def from_matrix(cls, matrix: npt.NDArray[np.int32]) -> Orientation:
        """From the nine numbers of a display matrix, which moves (x, y) to (a x + c y, b x + d y).

        A `VideoError` if that turns the picture by anything but right angles.

        >>> Orientation.from_matrix(np.array([0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30], np.int32))
        Orientation(rotation=270, mirrored=False)
        """
        a, b, c, d = matrix[[0, 1, 3, 4]].astype(np.float64)
        if not any((a, b, c, d)):
            return UPRIGHT
        slack = np.tan(np.radians(TOLERANCE))
        if abs(b) <= slack * abs(a) and abs(c) <= slack * abs(d):
            turned_over = bool(d < 0)
            return cls(180 if turned_over else 0, bool(a < 0) != turned_over)
        if abs(a) <= slack * abs(b) and abs(d) <= slack * abs(c):
            clockwise = bool(b > 0)
            return cls(270 if clockwise else 90, bool(c > 0) == clockwise)
        angle = np.degrees(np.arctan2(b, a))
        raise VideoError(
            f"pictures are to be turned by {angle:.0f} degrees clockwise, not by a right angle: re-encode the video "
            "with FFmpeg, which turns them, or remove its display matrix"
        )

    @property
    def swaps_sides(self) -> bool:
        """Whether the turn swaps width and height."""
        return self.rotation in (90, 270)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Displayed width and height of a picture that is coded with these."""
        return (height, width) if self.swaps_sides else (width, height)

    def applied(self, image: Image) -> Image:
        """The picture as displayed, ``(H, W, 3)``."""
        if self.rotation:
            image = np.asarray(cv2.rotate(image, _ROTATIONS[self.rotation]), np.uint8)
        return np.asarray(cv2.flip(image, 1), np.uint8) if self.mirrored else image


def exif_mirrors(picture: bytes) -> bool:
    """Whether a JPEG picture's Exif data mirrors it, as FFmpeg does; PyAV does not tell that from a turn.

    >>> exif_mirrors(b"no picture")
    False
    """
    start = picture.find(b"Exif\0\0", 0, EXIF_WITHIN) + 6
    if start < 6:
        return False
    order = "<" if picture[start : start + 2] == b"II" else ">"
    try:
        (place,) = struct.unpack_from(f"{order}I", picture, start + 4)
        (count,) = struct.unpack_from(f"{order}H", picture, start + place)
        entries = (struct.unpack_from(f"{order}HHIH", picture, start + place + 2 + 12 * n) for n in range(count))
        return any(tag == EXIF_ORIENTATION and value in EXIF_MIRRORS for tag, _, _, value in entries)
    except struct.error:
        return False


UPRIGHT = Orientation()
#: `cv2.rotate` code for each counter-clockwise rotation in degrees.
_ROTATIONS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
