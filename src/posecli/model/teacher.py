"""Finding the network that taught a student: the one that is named, or a model folder beside the student's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from posecli.errors import ModelError, UsageError
from posecli.model.folder import BUILTIN_FOLDER, ModelFolder, is_model_folder, read_model_folder
from posecli.model.importing import open_model
from posecli.model.student import read_student
from posecli.options import NO_TEACHER


def find_teacher(student: ModelFolder, asked: str | None = None) -> ModelFolder | None:
    """The network that taught a student, if it may be asked.

    Parameters
    ----------
    student
        Any pose network's folder.
    asked
        What `posecli.load_model` takes, or ``off`` for none; by default whichever lies beside the student, or comes
        with posecli, and has the weights that the student's record names.

    Returns
    -------
    ModelFolder or None
        ``None`` for a network that is no student, too.

    Raises
    ------
    ModelError
        If the network that is named is another than the one that taught the student.
    UsageError
        If one is named for a network that is no student.
    """
    record = None if asked == NO_TEACHER else read_student(student)
    if record is None:
        if asked in (None, NO_TEACHER):
            return None
        raise UsageError(f"'{student.path}' learned from no other network: leave out --teacher")
    if asked is None:
        return next((folder for folder in _at_hand(student.path) if folder.identity == record.teacher.identity), None)
    teacher = open_model(Path(asked))
    if teacher.identity != record.teacher.identity:
        raise ModelError(
            f"'{asked}' is not the network that taught '{student.path}' ({record.teacher.name}, whose hash begins "
            f"{record.teacher.identity[:12]}, not {teacher.identity[:12]}): name that one, or give --teacher off"
        )
    return teacher


def _at_hand(student: Path) -> Iterator[ModelFolder]:
    """Model folders beside the student's, and the built-in network."""
    beside: list[Path] = []
    with suppress(OSError):
        beside = sorted(student.resolve().parent.iterdir())
    for path in [*beside, BUILTIN_FOLDER]:
        with suppress(ModelError, OSError):  # those of other kinds, and damaged ones
            if is_model_folder(path):
                yield read_model_folder(path)
