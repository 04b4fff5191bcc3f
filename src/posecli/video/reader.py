"""A video as batches of frames, one row per frame of the video, whatever happens.

Frames come in the order in which FFmpeg's decoder puts them out, and are never sought by number. One that cannot be
decoded is in its batch too, marked as not valid.
"""

from __future__ import annotations

import threading
from array import array
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

import av
import numpy as np
import numpy.typing as npt

from posecli.errors import VideoError
from posecli.options import VideoBackend
from posecli.video.batch import Batch, boxes_at, prepare
from posecli.video.decoding import Picture
from posecli.video.geometry import Floats, Geometry
from posecli.video.opencv import CheckedCapture, PixelConverter, in_channels
from posecli.video.pictures import DEEPEST_REORDERING, Pictures
from posecli.video.probe import VideoInfo
from posecli.video.seeking import pictures_at, pictures_from
from posecli.video.timeline import Timeline

Image: TypeAlias = npt.NDArray[np.uint8]
Row: TypeAlias = tuple[int, Picture]  #: Index in the video, and the picture there.


class Frame(NamedTuple):
    """A frame as displayed: its number, its time, and ``(height, width, 3)`` uint8 BGR, if it could be decoded."""

    number: int
    seconds: float
    image: Image | None


class VideoReader:
    """Reads a video once, from its first frame to its last.

    `info` is from `posecli.video.probe.probe`, and `geometry` is what is done to each frame, by default nothing. With
    the `backend` "opencv", OpenCV decodes too: its pictures are used as long as they are FFmpeg's. `first` is the index
    of the first frame to read, found by its time where the packets tell the rows' times; or `places`, rising, are those
    of all frames to read, found likewise. `boxes` are those of the animal in all frames, as
    `posecli.video.batch.Batch` has them.

    >>> reader = VideoReader(probe(path))  # doctest: +SKIP
    >>> for batch in reader.batches(64):  # doctest: +SKIP
    ...     print(batch)
    Batch(images=(64, 480, 640, 3) uint8, items 0..63, valid=64)
    """

    def __init__(
        self,
        info: VideoInfo,
        geometry: Geometry | None = None,
        backend: VideoBackend = "auto",
        first: int = 0,
        boxes: Floats | None = None,
        places: Sequence[int] | None = None,
    ) -> None:
        self.info = info
        self.boxes = boxes
        #: Frames read so far, from the first of the video on, that could not be decoded.
        self.lost: list[int] = []
        self.geometry = geometry or Geometry.plan(info.width, info.height)
        self._unit = float(info.time_base)
        self._pictures = Pictures(info.path)
        #: Times of what was read from the first frame on, and whether that was everything.
        self._pts = array("q")
        self._has_ended = False
        self._threads = threading.local()
        self._length = info.expected_frames if places is None else len(places)
        is_whole = not first and places is None
        self._capture = CheckedCapture(info.path, self._unit) if backend == "opencv" and is_whole else None
        self._rows = self._all() if is_whole else self._from(first) if places is None else self._at(places)

    def __len__(self) -> int:
        return self._length

    @property
    def video(self) -> VideoReader:
        """The reader of the frames: itself."""
        return self

    def close(self) -> None:
        """Stop reading and release the decoders."""
        self._rows.close()
        if self._capture is not None:
            self._capture.close()

    @property
    def timeline(self) -> Timeline | None:
        """When each frame is shown, once all have been read from the first on."""
        return Timeline.of(self._pts, from_file=self._pictures.times_from_file) if self._has_ended else None

    @property
    def concealed(self) -> list[int]:
        """Frames read so far that the decoder found damaged and patched up."""
        return self._pictures.concealed

    @property
    def opencv_fault(self) -> str | None:
        """Why OpenCV's pictures are not used any more; ``None`` while they are, or if they were not asked for."""
        return None if self._capture is None else self._capture.fault

    def skip(self, count: int) -> None:
        """Pass over the next frames; they are decoded, so that what follows is the same as without skipping."""
        for _, picture in islice(self._rows, count):
            self.pass_over(picture)

    def pass_over(self, picture: Picture) -> None:
        """Leave out a picture that was taken from the decoder."""
        if self._capture is not None and picture.frame is not None:
            self._capture.skip(picture.pts, picture.frame)

    def new_buffer(self, batch_size: int) -> Image:
        """An array for `read_into`: ``(batch_size, H, W, 3)`` uint8."""
        return np.empty((batch_size, self.geometry.height, self.geometry.width, 3), np.uint8)

    def read_into(self, buffer: Image, pool: Executor | None = None) -> Batch | None:
        """Fill a caller's buffer, ``(n, H, W, 3)`` uint8 as `new_buffer` makes it, with the next frames.

        The batch's images are a view of the buffer, shorter at the end of the video; ``None`` when no frames are left.
        A pool prepares frames in parallel; decoding stays sequential.
        """
        indices: list[int] = []
        pts: list[int] = []
        valid = np.zeros(len(buffer), np.bool_)
        jobs: list[Future[None]] = []
        for slot, (index, picture) in zip(buffer, self._rows, strict=False):
            valid[len(indices)] = picture.frame is not None
            if picture.frame is None:
                slot[:] = 0
            elif pool is None or self._capture is not None:  # OpenCV's pictures come one by one
                self.prepare_row(index, picture, slot)
            else:
                jobs.append(pool.submit(self.prepare_row, index, picture, slot))
            indices.append(index)
            pts.append(picture.pts)
        for job in jobs:
            job.result()
        count = len(indices)
        if count == 0:
            return None
        seconds = np.array(pts) * self._unit
        return self.batch(buffer[:count], indices=np.array(indices), seconds=seconds, valid=valid[:count])

    def batch(self, images: Image, indices: npt.NDArray[np.int64], **known: Any) -> Batch:
        """Prepared frames of these places in the video, with their boxes."""
        boxes = None if self.boxes is None else boxes_at(self.boxes, indices)
        return Batch.of(images, self.geometry, indices=indices, boxes=boxes, **known)

    def decoded(self) -> Iterator[Frame]:
        """The next frames, not prepared."""
        for index, picture in self._rows:
            image = self._image(index, picture)
            yield Frame(index, picture.pts * self._unit, None if image is None else in_channels(image))

    def rows(self) -> Iterator[Row]:
        """The next frames as FFmpeg decodes them: place in the video, and picture."""
        yield from self._rows

    def prepare_row(self, number: int, picture: Picture, out: Image) -> None:
        """Bring a picture that could be decoded into ``(H, W, 3)`` uint8 RGB, as the network sees it."""
        image = self._image(number, picture)
        assert image is not None
        prepare(image, self.geometry, out)

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Batches until the end, all in one buffer: a batch is overwritten by the next."""
        buffer = self.new_buffer(batch_size)
        while (batch := self.read_into(buffer)) is not None:
            yield batch

    def _image(self, index: int, picture: Picture) -> Image | None:
        """A picture as displayed, as `prepare` takes it; one of another size than the first is an error."""
        frame = picture.frame
        if frame is None:
            return None
        try:
            image = picture.orientation.applied(self._pixels(picture.pts, frame))
        except VideoError as error:
            raise VideoError(f"frame {index} of '{self.info.path}': {error}") from error
        size = picture.orientation.size(frame.width, frame.height)
        if size != (self.info.width, self.info.height):
            raise FrameSizeError(
                f"frame {index} of '{self.info.path}' has {size[0]}x{size[1]} px instead of "
                f"{self.info.width}x{self.info.height}: split the video where its frame size changes, or re-encode it"
            )
        return image

    def _pixels(self, pts: int, frame: av.VideoFrame) -> Image:
        converter = getattr(self._threads, "converter", None)
        if converter is None:
            converter = self._threads.converter = PixelConverter()
        if self._capture is not None and self._capture.fault is None and self._pictures.is_careful:
            self._capture.fault = "the file has damaged pictures"
        image = None if self._capture is None else self._capture.picture(pts, frame, converter)
        return converter.pixels(frame) if image is None else image

    def _all(self) -> Generator[Row]:
        """Every row once, in order."""
        with closing(iter(self._pictures)) as pictures:
            for index, picture in enumerate(pictures):
                self._pts.append(picture.pts)
                if picture.frame is None:
                    self.lost.append(index)
                yield index, picture
        self._has_ended = True

    def _from(self, first: int) -> Generator[Row]:
        """Rows from `first` on: found by time as long as all is as announced, else from the start of the video."""
        index = first
        with closing(self._sought(first)) as sought:
            for picture in sought:
                yield index, picture
                index += 1
        if index < self.info.n_frames:
            with closing(iter(self._pictures)) as pictures:
                yield from islice(enumerate(pictures), index, None)

    def _at(self, places: Sequence[int]) -> Generator[Row]:
        """Rows at some places: found by time as long as all is as announced, else on the way from the video's start."""
        left = deque(places)
        with closing(self._sought_at(places)) as sought:
            for picture in sought:
                yield left.popleft(), picture
        if left:
            with closing(iter(self._pictures)) as pictures:
                yield from (row for row in islice(enumerate(pictures), left[-1] + 1) if row[0] in set(left))

    def _sought_at(self, places: Sequence[int]) -> Generator[Picture]:
        """Pictures at some places, as long as each comes at its announced time."""
        announced = self.info.announced
        if announced is None or not places or places[-1] >= len(announced):
            return
        times = announced.pts[list(places)].tolist()
        sought = announced.pts[[max(0, place - DEEPEST_REORDERING) for place in places]].tolist()
        with closing(pictures_at(self.info.path, times, sought, self.info.orientation)) as pictures:
            yield from self._as_announced(pictures, times)

    def _as_announced(self, pictures: Iterable[Picture], times: Iterable[int]) -> Iterator[Picture]:
        for due, picture in zip(times, pictures, strict=False):
            # Where the coding has changed, a decoder that begins midway may lack what came before.
            same_kind = picture.frame is not None and picture.frame.format.name == self.info.pixel_format
            if picture.pts != due or not same_kind:
                return
            yield picture

    def _sought(self, first: int) -> Generator[Picture]:
        """Pictures from `first` on, as long as each comes at its announced time."""
        announced = self.info.announced
        if announced is None or first >= len(announced):
            return
        times = announced.pts
        start = int(times[max(0, first - DEEPEST_REORDERING)])
        with closing(pictures_from(self.info.path, start, self.info.orientation)) as pictures:
            found = (picture for picture in pictures if picture.pts >= times[first])
            yield from self._as_announced(found, times[first:])


class FrameSizeError(VideoError):
    """The frame size changes within a video."""
