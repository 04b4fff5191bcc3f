"""A video as a `tf.data.Dataset`: the input pipelines of Govindarajan et al. (2022) in TensorFlow's own terms.

``sync``      frames are decoded and prepared when the next batch is asked for, and never before
``parallel``  frames are decoded one after the other, and prepared by a parallel map
``prefetch``  the same, and whole batches are made ahead of time

TensorFlow adds a prefetch to a dataset that has none, which would turn the first mode into the third; it is told not
to.
A parallel map runs ahead of its consumer by as many frames as it has workers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.errors import UsageError
from posecli.options import DATASET_MODES, AnalyzeOptions, Crop, DatasetMode, VideoBackend
from posecli.support.hardware import usable_cores
from posecli.support.tensorflow import import_tensorflow
from posecli.video.batch import Batch, prepare
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo, probe
from posecli.video.reader import VideoReader

Stopwatch: TypeAlias = Callable[[], AbstractContextManager[None]]
T = TypeVar("T")

#: Batches that are made ahead of time in the prefetch mode.
BATCHES_AHEAD = 2


def tf_dataset(
    video: str | Path,
    mode: DatasetMode = "prefetch",
    *,
    batch_size: int = 8,
    crop: Crop | None = None,
    scale: float = 1.0,
    video_backend: VideoBackend = "auto",
) -> Any:
    """Read a video as a `tf.data.Dataset` of batches, the same frames as `VideoReader` gives.

    Parameters
    ----------
    video
        The file.
    mode
        ``sync``, ``parallel`` or ``prefetch``.
    batch_size
        Frames per batch; the last one may be shorter.
    crop
        Part of the displayed frame; all of it by default.
    scale
        Factor by which the (cropped) frame is resized.
    video_backend
        Whose pictures are used, as in `posecli.options.RunOptions`.

    Returns
    -------
    tf.data.Dataset
        Elements are dicts: ``images`` ``(B, H, W, 3)`` uint8 RGB, ``indices`` ``(B,)`` int64 places in the video,
        ``seconds`` ``(B,)`` float64 times, and ``valid`` ``(B,)`` bool; a frame that could not be decoded is black and
        not valid. It can be iterated again.

    Raises
    ------
    UsageError
        If an option is wrong.
    VideoError
        If the video cannot be read; also from the dataset's iterator in eager Python, while it is being read.

    Examples
    --------
    >>> dataset = tf_dataset("video.mp4", "prefetch", batch_size=64, scale=0.5)  # doctest: +SKIP
    >>> for batch in dataset:  # doctest: +SKIP
    ...     print(batch["images"].shape, batch["indices"].numpy())
    """
    if mode not in DATASET_MODES:
        raise UsageError(f"dataset mode '{mode}' is not known: choose one of {', '.join(DATASET_MODES)}")
    options = AnalyzeOptions(batch_size=batch_size, crop=crop, scale=scale, video_backend=video_backend)
    info = probe(Path(video))
    geometry = Geometry.plan(info.width, info.height, options.crop, options.exact_scale)

    def open_source() -> _Source:
        return _Source(VideoReader(info, geometry, video_backend), owned=True)

    return _Recipe(open_source, info, geometry, batch_size, usable_cores()).dataset(mode)


def dataset_batches(
    reader: VideoReader, mode: DatasetMode, batch_size: int, workers: int, stopwatch: Stopwatch
) -> Generator[Batch]:
    """What a reader still has to give, once, through a dataset; it is left open, and no thread reads on at the end.

    `workers` frames are prepared side by side. The stopwatch is entered while frames are read; their preparation by a
    parallel map is not reading's time.
    """
    with closing(_Source(reader, owned=False, stopwatch=stopwatch)) as source:
        for batch in _Recipe(lambda: source, reader.info, reader.geometry, batch_size, workers).dataset(mode):
            parts = {name: part.numpy() for name, part in batch.items()}
            yield reader.batch(parts.pop("images"), **parts)


class _Source:
    """A reader as TensorFlow's threads ask for it: one at a time, and no more once it is closed."""

    def __init__(self, reader: VideoReader, *, owned: bool, stopwatch: Stopwatch = nullcontext) -> None:
        self.reader = reader
        self._owned = owned
        self._stopwatch = stopwatch
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Wait until no thread is reading, and let none begin."""
        with self._lock:
            self._closed = True
            if self._owned:
                self.reader.close()

    def next(self, read: Callable[[], T | None]) -> T | None:
        """What `read` gives; ``None`` once this is closed."""
        with self._lock:
            if self._closed:
                return None
            with self._stopwatch():
                return read()


@dataclass
class _Recipe:
    """A dataset over what is opened each time that it is iterated; errors are kept, as TensorFlow only keeps texts.

    Arrays handed to TensorFlow are its own from then on, without a copy: none of them may be filled again.
    """

    open_source: Callable[[], _Source]
    info: VideoInfo
    geometry: Geometry
    batch_size: int
    workers: int
    errors: list[BaseException] = field(default_factory=list)

    def dataset(self, mode: DatasetMode) -> Any:
        """Of dicts, as `tf_dataset` has them."""
        tf = import_tensorflow()
        dataset = self._read_whole_batches(tf) if mode == "sync" else self._map_frames(tf)
        if mode == "prefetch":
            dataset = dataset.prefetch(BATCHES_AHEAD)
        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = False
        options.autotune.enabled = False
        return _video_dataset_class()(dataset.with_options(options), self.errors)

    def _read_whole_batches(self, tf: Any) -> Any:
        """Frames decoded and prepared in turn, a batch at a time."""
        signature = _signature(tf, (None,), (self.geometry.height, self.geometry.width, 3))

        def batches() -> Iterator[dict[str, Any]]:
            with closing(self.open_source()) as source:
                reader = source.reader
                read = self._keeping_errors()(lambda: reader.read_into(reader.new_buffer(self.batch_size)))
                while (batch := source.next(read)) is not None:
                    yield {name: getattr(batch, name) for name in signature}

        return tf.data.Dataset.from_generator(batches, output_signature=signature)

    def _map_frames(self, tf: Any) -> Any:
        """Frames decoded in turn, and prepared side by side."""
        displayed, prepared = (self.info.height, self.info.width, 3), (self.geometry.height, self.geometry.width, 3)

        def frames() -> Iterator[dict[str, Any]]:
            with closing(self.open_source()) as source:
                decoded = source.reader.decoded()
                while (frame := source.next(self._keeping_errors()(lambda: next(decoded, None)))) is not None:
                    shown = np.zeros(displayed, np.uint8) if frame.image is None else frame.image
                    known = {"indices": frame.number, "seconds": frame.seconds, "valid": frame.image is not None}
                    yield {"images": shown, **known}

        @self._keeping_errors()
        def fill(image: npt.NDArray[np.uint8], valid: bool) -> npt.NDArray[np.uint8]:
            out = np.zeros(prepared, np.uint8)
            if valid:
                prepare(image, self.geometry, out)
            return out

        def mapped(frame: dict[str, Any]) -> dict[str, Any]:
            image = tf.numpy_function(fill, (frame["images"], frame["valid"]), tf.uint8)
            return frame | {"images": tf.ensure_shape(image, prepared)}

        dataset = tf.data.Dataset.from_generator(frames, output_signature=_signature(tf, (), displayed))
        return dataset.map(mapped, num_parallel_calls=self.workers, deterministic=True).batch(self.batch_size)

    @contextmanager
    def _keeping_errors(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.errors.append(error)
            raise


def _signature(tf: Any, batch: tuple[None, ...], image: tuple[int, ...]) -> dict[str, Any]:
    kinds = {"indices": tf.int64, "seconds": tf.float64, "valid": tf.bool}
    rest = {name: tf.TensorSpec(batch, kind) for name, kind in kinds.items()}
    return {"images": tf.TensorSpec((*batch, *image), tf.uint8), **rest}


@cache
def _video_dataset_class() -> Any:
    """A dataset whose iterators raise what first went wrong in reading, instead of TensorFlow's account of it."""
    tf = import_tensorflow()

    class VideoDataset(tf.data.Dataset):  # type: ignore[misc,name-defined]  # TensorFlow has no types here
        def __init__(self, dataset: Any, errors: list[BaseException]) -> None:
            self._dataset = dataset
            self._errors = errors
            super().__init__(dataset._variant_tensor)

        def _inputs(self) -> list[Any]:
            return [self._dataset]

        @property
        def element_spec(self) -> Any:
            return self._dataset.element_spec

        def __iter__(self) -> Any:
            iterator = super().__iter__()
            errors = self._errors

            class VideoIterator(type(iterator)):  # type: ignore[misc]
                def __next__(self) -> Any:
                    try:
                        return super().__next__()
                    except tf.errors.OpError as error:
                        first = errors[0] if errors else error
                        errors.clear()
                        raise first from None

            iterator.__class__ = VideoIterator  # it must stay TensorFlow's own for Keras and tf.function
            return iterator

    return VideoDataset
