"""One combination of factors, and the video that it is measured on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from posecli.options import DecoderName, EngineName, FixedPrecision, PipelineName

#: A data set, and the width of its frames in the clip, px; ``None`` for the video's own.
ClipKey: TypeAlias = "tuple[str, int | None]"


@dataclass(frozen=True)
class DataSet:
    """A video and the network that looks at it."""

    #: Of the scene, or the video's stem.
    name: str
    #: The clips of all widths are made from it.
    video: Path
    #: Of its frames, px.
    width: int
    height: int
    #: A model folder.
    model: Path
    #: If not, only the network's speed means something.
    trained: bool
    #: The network sees every n-th frame of the video.
    frame_step: int = 1

    def height_at(self, width: int) -> int:
        """Height of a frame of a width, even, as video wants it.

        >>> DataSet("a", Path("a.mp4"), 640, 480, Path("m"), True).height_at(80)
        60
        """
        return 2 * round(width * self.height / self.width / 2)


@dataclass(frozen=True)
class Condition:
    """One combination of factors.

    What goes through the network as one, an item, is a frame, or a chunk of `length` of them.
    """

    #: Name of the data set.
    data: str
    #: What the network sees, px.
    width: int
    height: int
    #: That the run may use.
    cores: int
    engine: EngineName
    precision: FixedPrecision
    batch_size: int
    #: ``None`` for chunks.
    decoder: DecoderName | None
    pipeline: PipelineName
    #: Of chunks; 1 for frames.
    length: int = 1
    stride: int = 1
    frame_step: int = 1

    @property
    def has_chunks(self) -> bool:
        """Whether its items are chunks."""
        return self.decoder is None

    @property
    def key(self) -> str:
        """A name for files and logs."""
        how = f"c{self.cores}-{self.engine}-{self.precision}-b{self.batch_size}"
        if self.has_chunks:
            return f"{self.data}-{self.width}x{self.height}-l{self.length}-s{self.stride}-{how}-{self.pipeline}"
        return f"{self.data}-w{self.width}-{how}-{self.decoder}-{self.pipeline}"

    @property
    def words(self) -> str:
        """All factors, for people."""
        decoder = "" if self.has_chunks else f"{self.decoder}, "
        how = f"{cores_words(self.cores)}, {self.engine} {self.precision}, batch {self.batch_size}"
        return f"{self.data} {self.short_view}, {how}, {decoder}{self.pipeline}"

    @property
    def view_words(self) -> str:
        """What the network sees, for people; the size alone where it sees single frames."""
        size = f"{self.width}x{self.height} px"
        return f"{size}, chunks of {self.length} every {self.stride}" if self.has_chunks else size

    @property
    def short_view(self) -> str:
        """The same, but of single frames only the width, from which the height follows."""
        return self.view_words if self.has_chunks else f"{self.width} px"

    @property
    def clip(self) -> ClipKey:
        """Which clip it reads: chunks are read from frames of the video's own size, and scaled to the network's."""
        return self.data, None if self.has_chunks else self.width

    @property
    def view(self) -> tuple[str, int, int, int, int, int]:
        """What the network sees: conditions that share it look at the same items."""
        return self.data, self.width, self.height, self.length, self.stride, self.frame_step

    @property
    def pixels(self) -> int:
        """Of an item."""
        return self.width * self.height * self.length

    @property
    def span(self) -> int:
        """Frames of the video that an item stands for."""
        return self.length * self.frame_step

    def frames_of(self, items: int) -> int:
        """Frames of a video that has so many items, none of them cut short."""
        return (items - 1) * self.stride + self.span

    def items_in(self, frames: int) -> int:
        """Items of a video of so many frames; the last may be moved back to end with it.

        >>> Condition("a", 64, 64, 1, "openvino", "fp32", 1, None, "sync", length=64, stride=64).items_in(150)
        3
        """
        return 1 + max(0, math.ceil((frames - self.span) / self.stride))


def cores_words(count: int) -> str:
    """A number of cores, for people."""
    return f"{count} core" if count == 1 else f"{count} cores"
