"""Which label files a path stands for, and the settings of the project around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from posecli.errors import LabelError
from posecli.support.yamlfile import brief, name_of, read_yaml, truth_of

LABELED_DATA = "labeled-data"
CONFIG = "config.yaml"


def find_tables(path: Path) -> tuple[list[Path], Mapping[str, Any]]:
    """The label files that a path stands for, and the project's settings, empty where it has none."""
    if not path.exists():
        raise LabelError(f"labelled data '{path}' do not exist: check the path")
    if path.is_file() and path.suffix.lower() in (".h5", ".csv"):
        return [path], _project_of(path.resolve().parent.parent)
    if path.is_file() and path.suffix not in (".yaml", ".yml"):
        raise LabelError(f"'{path}' holds no labels: give a DeepLabCut project, or a CollectedData file (.h5 or .csv)")
    folder = path.parent if path.is_file() else path
    if path.is_file() or (folder / LABELED_DATA).is_dir():
        config: Mapping[str, Any] = read_yaml(path if path.is_file() else folder / CONFIG, LabelError)
        parents = [folder / LABELED_DATA]
    else:
        config = _project_of(folder.resolve()) or _project_of(folder.resolve().parent)
        parents = [folder]
    if truth_of(config.get("multianimalproject")) is True:
        refuse_several_animals(path, config.get("individuals"))
    tables = [table for parent in parents for table in _tables_below(parent, config.get("scorer"))]
    if not tables:
        raise LabelError(
            f"'{path}' holds no labels: expected {LABELED_DATA}/<video>/CollectedData_<scorer>.h5 or .csv, "
            "as DeepLabCut saves them"
        )
    return tables, config


def _project_of(folder: Path) -> Mapping[str, Any]:
    """Settings of the project whose ``labeled-data`` a folder is."""
    config = folder.parent / CONFIG
    return read_yaml(config, LabelError) if folder.name == LABELED_DATA and config.is_file() else {}


def _tables_below(folder: Path, scorer: object) -> list[Path]:
    """One label file of each video's folder that has any, or of the folder itself."""
    if not folder.is_dir():
        return []
    folders = [folder, *sorted(entry for entry in folder.iterdir() if entry.is_dir())]
    return [table for entry in folders if (table := _table_in(entry, scorer)) is not None]


def _table_in(folder: Path, scorer: object) -> Path | None:
    """The labels of the project's scorer, or those of the only one; ``.h5`` before ``.csv``."""
    found = {path.stem: path for ending in ("csv", "h5") for path in folder.glob(f"CollectedData*.{ending}")}
    own = f"CollectedData_{scorer}"
    if own in found or len(found) <= 1:
        return found.get(own, next(iter(found.values()), None))
    names = ", ".join(sorted(found))
    raise LabelError(f"'{folder}' holds labels of several people ({names}): give the file of one of them")


def config_bodyparts(path: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Body parts of a project's settings; none where they name none."""
    # A multi-animal project, which may be of one animal, has them elsewhere.
    several = truth_of(config.get("multianimalproject")) is True and isinstance(config.get("bodyparts"), str)
    names = config.get("multianimalbodyparts" if several else "bodyparts")
    if names is None:
        return ()
    try:
        parts = tuple(name_of(name) for name in names) if isinstance(names, list) else ()
    except TypeError as error:
        raise LabelError(f"the project of '{path}' has a body part that {error}") from None
    if not parts or len(set(parts)) < len(parts):
        raise LabelError(f"the project of '{path}' has body parts {brief(names)}: expected a list of distinct names")
    return parts


def refuse_several_animals(path: Path, names: object) -> None:
    """Refuse labels of several animals; one that has a name is one."""
    if isinstance(names, Iterable) and len(several := dict.fromkeys(map(str, names))) > 1:
        raise LabelError(
            f"'{path}' labels several animals ({few(list(several))}), which is not supported yet: use a "
            "single-animal project, or keep the columns of one animal"
        )


def few(names: Sequence[str]) -> str:
    """At most six of some names, none of them long, for a message."""
    shown = [name if len(name) < 80 else f"{name[:77]}..." for name in names[:6]]
    return " ".join(", ".join([*shown, "..."] if len(names) > 6 else shown).split())
