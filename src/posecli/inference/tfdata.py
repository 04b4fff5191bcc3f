"""A video as a `tf.data.Dataset`: the input pipelines of Govindarajan et al. (2022) in TensorFlow's own terms.

``sync``      a frame is decoded and prepared when the next batch is asked for, and never before
``parallel``  frames are decoded one after the other and prepared by a parallel map
``prefetch``  the same, and whole batches wait ready ahead of whoever takes them

TensorFlow puts a prefetch behind any dataset that has none, which makes the first of them the third; it is told not to.
A parallel map runs ahead of its consumer by itself, by as many frames as it has workers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.errors import UsageError
from posecli.network.tensorflow_runtime import import_tensorflow
from posecli.options import DATASET_MODES, AnalyzeOptions, Crop, DatasetMode, VideoBackend
from posecli.support.hardware import usable_cores
from posecli.video.batch import Batch
from posecli.video.geometry import Geometry
from posecli.video.prepare import prepare
from posecli.video.probe import VideoInfo, probe
from posecli.video.reader import VideoReader

Stopwatch: TypeAlias = Callable[[], AbstractContextManager[None]]
OpenSource: TypeAlias = "Callable[[], _Source]"
P = ParamSpec("P")
T = TypeVar("T")

#: Batches that wait ready in the prefetch mode.
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

    return _dataset(open_source, _Shape(info, geometry, batch_size, usable_cores()), mode)


def dataset_batches(
    reader: VideoReader, mode: DatasetMode, batch_size: int, workers: int, stopwatch: Stopwatch
) -> Generator[Batch]:
    """What a reader still has to give, once, by way of a dataset; when this ends the reader is nobody's.

    Parameters
    ----------
    reader
        Where the frames come from; it is left open.
    mode, batch_size
        As in `tf_dataset`.
    workers
        Frames that are prepared side by side.
    stopwatch
        Entered while frames are being read. Preparation by a parallel map is not reading's time.
    """
    source = _Source(reader, owned=False, stopwatch=stopwatch)
    shape = _Shape(reader.info, reader.geometry, batch_size, workers)
    with closing(source):
        for batch in _dataset(lambda: source, shape, mode):
            parts = {name: part.numpy() for name, part in batch.items()}
            yield Batch.of(parts.pop("images"), reader.geometry, **parts)


@dataclass(frozen=True)
class _Shape:
    """What the elements of a dataset look like, and how many frames are prepared side by side."""

    info: VideoInfo
    geometry: Geometry
    batch_size: int
    workers: int

    @property
    def displayed(self) -> tuple[int, int, int]:
        """Shape of a frame as the reader gives it."""
        return self.info.height, self.info.width, 3

    @property
    def prepared(self) -> tuple[int, int, int]:
        """Shape of a frame as the network sees it."""
        return (self.geometry.height, self.geometry.width, 3)


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

    def taken(self, step: Callable[[], T | None]) -> Iterator[T]:
        """What `step` gives, until that is ``None``."""
        while (item := self._next(step)) is not None:
            yield item

    def _next(self, step: Callable[[], T | None]) -> T | None:
        with self._lock:
            if self._closed:
                return None
            with self._stopwatch():
                return step()


class _Failures:
    """What went wrong in functions that TensorFlow calls: it keeps the text of an error alone."""

    def __init__(self) -> None:
        self._errors: list[BaseException] = []

    def kept(self, function: Callable[P, T]) -> Callable[P, T]:
        """The function, with its errors kept."""

        def calling(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return function(*args, **kwargs)
            except BaseException as error:
                self._errors.append(error)
                raise

        return calling

    def behind(self, error: Exception) -> BaseException:
        """What first led to TensorFlow's error, or that itself."""
        errors, self._errors = self._errors, []
        return errors[0] if errors else error


def _dataset(open_source: OpenSource, shape: _Shape, mode: DatasetMode) -> Any:
    """A dataset over what is opened each time that it is iterated."""
    tf = import_tensorflow()
    failures = _Failures()
    build = _read_whole_batches if mode == "sync" else _map_frames
    dataset = build(tf, open_source, shape, failures)
    if mode == "prefetch":
        dataset = dataset.prefetch(BATCHES_AHEAD)
    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = False
    options.autotune.enabled = False
    return _video_dataset_class()(dataset.with_options(options), failures)


# Arrays handed to TensorFlow are its own from then on, without a copy: none of them may be filled again.


def _read_whole_batches(tf: Any, open_source: OpenSource, shape: _Shape, failures: _Failures) -> Any:
    """Frames decoded and prepared in turn, a batch at a time."""

    def batches() -> Iterator[dict[str, Any]]:
        source = open_source()
        reader = source.reader
        with closing(source):
            for batch in source.taken(failures.kept(lambda: reader.read_into(reader.new_buffer(shape.batch_size)))):
                yield {name: getattr(batch, name) for name in signature}

    signature = {
        "images": tf.TensorSpec((None, *shape.prepared), tf.uint8),
        "indices": tf.TensorSpec((None,), tf.int64),
        "seconds": tf.TensorSpec((None,), tf.float64),
        "valid": tf.TensorSpec((None,), tf.bool),
    }
    return tf.data.Dataset.from_generator(batches, output_signature=signature)


def _map_frames(tf: Any, open_source: OpenSource, shape: _Shape, failures: _Failures) -> Any:
    """Frames decoded in turn, and prepared side by side."""

    def frames() -> Iterator[dict[str, Any]]:
        source = open_source()
        decoded = source.reader.decoded()
        with closing(source):
            for index, seconds, image in source.taken(failures.kept(lambda: next(decoded, None))):
                shown = np.zeros(shape.displayed, np.uint8) if image is None else image
                yield {"images": shown, "indices": index, "seconds": seconds, "valid": image is not None}

    def prepared(image: npt.NDArray[np.uint8], valid: bool) -> npt.NDArray[np.uint8]:
        out = np.zeros(shape.prepared, np.uint8)
        if valid:
            prepare(image, shape.geometry, out)
        return out

    def mapped(frame: dict[str, Any]) -> dict[str, Any]:
        image = tf.numpy_function(failures.kept(prepared), (frame["images"], frame["valid"]), tf.uint8)
        return frame | {"images": tf.ensure_shape(image, shape.prepared)}

    signature = {
        "images": tf.TensorSpec(shape.displayed, tf.uint8),
        "indices": tf.TensorSpec((), tf.int64),
        "seconds": tf.TensorSpec((), tf.float64),
        "valid": tf.TensorSpec((), tf.bool),
    }
    dataset = tf.data.Dataset.from_generator(frames, output_signature=signature)
    return dataset.map(mapped, num_parallel_calls=shape.workers, deterministic=True).batch(shape.batch_size)


@cache
def _video_dataset_class() -> Any:
    """A dataset whose iterators raise what went wrong in reading, instead of TensorFlow's account of it."""
    tf = import_tensorflow()

    class VideoDataset(tf.data.Dataset):  # type: ignore[misc,name-defined]  # TensorFlow has no types here
        def __init__(self, dataset: Any, failures: _Failures) -> None:
            self._dataset = dataset
            self._failures = failures
            super().__init__(dataset._variant_tensor)

        def _inputs(self) -> list[Any]:
            return [self._dataset]

        @property
        def element_spec(self) -> Any:
            return self._dataset.element_spec

        def __iter__(self) -> Any:
            iterator = super().__iter__()
            failures = self._failures

            class VideoIterator(type(iterator)):  # type: ignore[misc]
                def __next__(self) -> Any:
                    try:
                        return super().__next__()
                    except tf.errors.OpError as error:
                        raise failures.behind(error) from None

            iterator.__class__ = VideoIterator  # it must stay TensorFlow's own for Keras and tf.function
            return iterator

    return VideoDataset
