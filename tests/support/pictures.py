"""Decoders that lose pictures, or fail, as planned."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator

import pytest

from posecli.video import reader
from posecli.video.decoding import Picture
from posecli.video.pictures import Pictures


def patch_pictures(patch: pytest.MonkeyPatch, change: Callable[[int, Picture], Picture]) -> None:
    """Let every picture that is read pass through a function of its place; none is found by its time."""

    class Changed(Pictures):
        def __iter__(self) -> Generator[Picture]:
            for place, picture in enumerate(super().__iter__()):
                yield change(place, picture)

    patch.setattr(reader, "Pictures", Changed)
    for seeking in ("pictures_from", "pictures_at"):
        patch.setattr(reader, seeking, lambda *_: _nothing())


def lose_pictures(patch: pytest.MonkeyPatch, lost: Collection[int]) -> None:
    """Let some pictures be such that nobody can decode them."""
    patch_pictures(patch, lambda place, picture: picture._replace(frame=None) if place in lost else picture)


def fail_at(patch: pytest.MonkeyPatch, place: int, failure: BaseException) -> None:
    """Let reading fail at a picture."""

    def change(at: int, picture: Picture) -> Picture:
        if at == place:
            raise failure
        return picture

    patch_pictures(patch, change)


def _nothing() -> Generator[Picture]:
    yield from ()
