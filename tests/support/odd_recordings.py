"""Odd but sound videos: what recorders, cameras and cutting tools write, in small.

Every picture carries its number (`support.number_engine.checked_frames`). `all_recordings` names each file, its family
and how it is made; what a correct decoder shows of it is for `support.odd_videos` to find out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

from support import odd_coding, odd_containers
from support.odd_encodes import Recording

#: AVI keeps no times. Of reordered pictures FFmpeg guesses them, each version in its own way. In a bare stream it
#: counts repeated fields, which PyAV does not tell.
GUESSED_TIMES = (
    "field coding/repeated fields.m2v",
    "codecs in containers/h264.avi",
    "codecs in containers/mpeg1.avi",
    "field coding/mbaff.avi",
    "cut by copying/auto.avi",
    "avi layouts/packed.avi",
    "avi layouts/packed more.avi",
    "avi layouts/packed no index.avi",
    "avi layouts/xvid.avi",
    "groups of pictures/deep.avi",
)


def all_recordings() -> Iterator[Recording]:
    """Every file, in a fixed order."""
    for recording in chain.from_iterable(family() for family in FAMILIES):
        yield replace(recording, guessed_times=recording.key in GUESSED_TIMES)


FAMILIES: tuple[Callable[[], Iterator[Recording]], ...] = (
    odd_coding.codecs_cases,
    odd_coding.fields_cases,
    odd_coding.mixed_cases,
    odd_containers.joins_cases,
    odd_containers.open_groups_cases,
    odd_containers.cuts_cases,
    odd_coding.hidden_cases,
    odd_containers.avis_cases,
    odd_containers.clocks_cases,
    odd_containers.clocks_set_back_cases,
    odd_containers.few_times_cases,
    odd_containers.edits_cases,
    odd_containers.orientations_cases,
    odd_containers.parts_cases,
    odd_coding.short_ones_cases,
    odd_coding.group_kinds_cases,
    odd_coding.changes_cases,
    odd_coding.colours_cases,
    odd_coding.pixels_cases,
    odd_containers.streams_cases,
    odd_containers.layouts_cases,
)
