"""The network that comes with posecli: a mouse seen from above."""

from __future__ import annotations

from pathlib import Path

from posecli.errors import ModelError
from posecli.model.folder import is_model_folder

BUILTIN_FOLDER = Path(__file__).resolve().parents[1] / "builtin" / "mouse-from-above"


def builtin_model_path() -> Path:
    """The model folder of the built-in network; its card lies in it.

    Raises
    ------
    ModelError
        If this installation of posecli lacks it.
    """
    if not is_model_folder(BUILTIN_FOLDER):
        raise ModelError(
            f"this installation has no built-in network ('{BUILTIN_FOLDER}' is missing): install posecli again, "
            "or give a network with --model"
        )
    return BUILTIN_FOLDER
