"""The networks that come with posecli: a mouse seen from above, and the behaviours of the rendered home cage."""

from __future__ import annotations

from pathlib import Path

from posecli.errors import ModelError
from posecli.model.folder import is_model_folder

BUILTIN_FOLDER = Path(__file__).resolve().parent / "built_in" / "mouse-from-above"
BEHAVIOURS_FOLDER = BUILTIN_FOLDER.with_name("home-cage")


def builtin_model_path() -> Path:
    """The model folder of the built-in network, with its card; `ModelError` if this installation lacks it."""
    return _here(BUILTIN_FOLDER)


def builtin_behaviours_path() -> Path:
    """The model folder of the built-in network for behaviours; errors as `builtin_model_path`."""
    return _here(BEHAVIOURS_FOLDER)


#: Their names, wherever a model is asked for.
BUILTIN = {"built-in": BUILTIN_FOLDER, "built-in-behaviours": BEHAVIOURS_FOLDER}


def named_model(path: Path) -> Path:
    """The folder of a built-in network, if its name is given and no file has it; any other path as it is.

    >>> named_model(Path("built-in")).name, named_model(Path("openfield-model")).name
    ('mouse-from-above', 'openfield-model')
    """
    folder = BUILTIN.get(str(path))
    return path if folder is None or path.exists() else _here(folder)


def _here(folder: Path) -> Path:
    if not is_model_folder(folder):
        raise ModelError(
            f"this installation has no built-in network ('{folder}' is missing): install posecli again, "
            "or give a network with --model"
        )
    return folder
