"""The networks that come with posecli: a mouse seen from above, and the behaviours of the rendered home cage."""

from __future__ import annotations

from pathlib import Path

from posecli.errors import ModelError
from posecli.model.folder import is_model_folder

BUILTIN_FOLDER = Path(__file__).resolve().parents[1] / "builtin" / "mouse-from-above"
BEHAVIOURS_FOLDER = BUILTIN_FOLDER.with_name("home-cage")


def builtin_model_path() -> Path:
    """The model folder of the built-in network; its card lies in it.

    Raises
    ------
    ModelError
        If this installation of posecli lacks it.
    """
    return _here(BUILTIN_FOLDER)


def builtin_behaviours_path() -> Path:
    """The model folder of the built-in network for behaviours; errors as `builtin_model_path`."""
    return _here(BEHAVIOURS_FOLDER)


def _here(folder: Path) -> Path:
    if not is_model_folder(folder):
        raise ModelError(
            f"this installation has no built-in network ('{folder}' is missing): install posecli again, "
            "or give a network with --model"
        )
    return folder
