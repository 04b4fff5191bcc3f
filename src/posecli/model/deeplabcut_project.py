"""Where DeepLabCut's projects and exported models keep what.

Nothing is written to a project, and no pickle in it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from posecli.errors import ModelError
from posecli.model import deeplabcut_pytorch, deeplabcut_tensorflow
from posecli.model.deeplabcut import DeepLabCutNetwork, NetworkChoice, ProjectSettings, number_in
from posecli.options import TrainingEngine
from posecli.support.yamlfile import brief, read_yaml, truth_of

FOLDERS: dict[TrainingEngine, str] = {"tensorflow": "dlc-models", "pytorch": "dlc-models-pytorch"}
FROM_MODEL_DIRECTORY: dict[TrainingEngine, Callable[..., DeepLabCutNetwork]] = {
    "tensorflow": deeplabcut_tensorflow.from_model_directory,
    "pytorch": deeplabcut_pytorch.from_model_directory,
}
#: Short names of engines in a data set's ``metadata.yaml``.
ALIASES = {"tf": "tensorflow", "torch": "pytorch"}
#: Of a project's task, date or iteration; file systems take names of 255 bytes.
LONGEST_NAME = 60


def find_source(path: Path, choice: NetworkChoice = NetworkChoice()) -> DeepLabCutNetwork:
    """Find a network of DeepLabCut.

    It is in a project (``config.yaml`` or folder), one folder of its ``dlc-models`` or ``dlc-models-pytorch``, an
    exported model, or a snapshot (``.pt``) beside its ``pytorch_config.yaml``. Raises `ModelError` if there is none, or
    its kind is not supported.
    """
    if not path.exists():
        raise ModelError(f"model '{path}' does not exist: check the path")
    if path.is_file() and path.suffix not in (".yaml", ".yml", ".pt"):
        raise ModelError(f"'{path}' is not a model: give a model folder, or a DeepLabCut config.yaml or folder")
    is_project_file = path.is_file() and path.suffix != ".pt" and path.name != deeplabcut_pytorch.CONFIG
    config_path = path if is_project_file else path / "config.yaml"
    if config_path.is_file():
        return _from_project(path, config_path, choice)
    _refuse_choice(path, choice)
    if path.suffix == ".pt" and path.is_file():
        return deeplabcut_pytorch.from_file(path, path)
    return _from_folder(path, path.parent if path.is_file() else path, choice)


def _from_folder(path: Path, folder: Path, choice: NetworkChoice) -> DeepLabCutNetwork:
    """The network of a folder that is no project."""
    # Resolved, because '.' has no name.
    model = folder.resolve().parent if folder.resolve().name in ("train", "test") else folder
    for train in (model / "train", folder):
        if (train / deeplabcut_pytorch.CONFIG).is_file():
            return deeplabcut_pytorch.from_model_directory(path, model if train != folder else folder, choice)
    if (model / "train").is_dir():
        return deeplabcut_tensorflow.from_model_directory(path, model, choice)
    if any(folder.glob("*.pt")):
        return deeplabcut_pytorch.from_export(path, choice)
    if (folder / "pose_cfg.yaml").is_file():
        return deeplabcut_tensorflow.from_export(path, choice)
    raise ModelError(
        f"'{path}' holds no model: expected a posecli model folder (model.yaml), a DeepLabCut project (config.yaml), "
        "a folder of its dlc-models or dlc-models-pytorch (train/), or an exported model (pose_cfg.yaml or .pt)"
    )


def _refuse_choice(path: Path, choice: NetworkChoice) -> None:
    """Refuse to choose among a project's networks where there is one."""
    others = NetworkChoice(
        snapshot=choice.snapshot, detector_snapshot=choice.detector_snapshot, statistics=choice.statistics
    )
    if choice != others:
        raise ModelError(
            f"'{path}' holds one network: --shuffle, --trainset-index and --dlc-engine choose among those of a "
            "DeepLabCut project, so give its config.yaml"
        )
    if choice.snapshot is not None and path.is_file() and path.suffix == ".pt":
        raise ModelError(f"'{path}' is one snapshot: give its folder to choose another with --snapshot")


def _from_project(path: Path, config_path: Path, choice: NetworkChoice) -> DeepLabCutNetwork:
    config = read_yaml(config_path, ModelError)
    _check_project(config_path, config)
    fractions = config["TrainingFraction"]
    if not isinstance(fractions, list) or not 0 <= choice.trainset_index < len(fractions):
        raise ModelError(
            f"'{config_path}' has no training fraction number {choice.trainset_index}: "
            f"its TrainingFraction is {brief(fractions)}"
        )
    # DeepLabCut truncates the product, so that 0.29 becomes 28.
    percent = int(number_in(config_path, "TrainingFraction", fractions[choice.trainset_index]) * 100)
    name = f"{config['Task']}{config['date']}-trainset{percent}shuffle{choice.shuffle}"
    engine = _engine(config_path, config, name, choice)
    # The PyTorch engine's networks of such a project may be for one animal all the same, and say so themselves.
    if engine == "tensorflow" and truth_of(config.get("multianimalproject")):
        raise ModelError(
            f"'{config_path}' is a multi-animal project, which is not supported yet: use a single-animal one"
        )
    folder = config_path.parent / FOLDERS[engine] / f"iteration-{config['iteration']}" / name
    return FROM_MODEL_DIRECTORY[engine](path, folder, choice, _settings(config_path, config))


def _settings(config_path: Path, config: Mapping[str, Any]) -> ProjectSettings:
    indices = [config.get(key) for key in ("snapshotindex", "detector_snapshotindex")]
    keys = ("snapshotindex", "detector_snapshotindex")
    snapshot, detector = (
        -1 if index in (None, "all") else int(number_in(config_path, key, index))
        for key, index in zip(keys, indices, strict=True)
    )
    pcutoff = config.get("pcutoff")
    return ProjectSettings(snapshot, detector, None if pcutoff is None else number_in(config_path, "pcutoff", pcutoff))


def _engine(config_path: Path, config: Mapping[str, Any], name: str, choice: NetworkChoice) -> TrainingEngine:
    """The engine that trained a project's network: chosen, or the only one, or the one that the project says."""
    project, iteration = config_path.parent, f"iteration-{config['iteration']}"
    present = [engine for engine, folder in FOLDERS.items() if (project / folder / iteration / name).is_dir()]
    if choice.engine is not None:
        present = [engine for engine in present if engine == choice.engine]
    if len(present) > 1:
        dataset = f"UnaugmentedDataSet_{config['Task']}{config['date']}"
        metadata = project / "training-datasets" / iteration / dataset / "metadata.yaml"
        present = _said_by(metadata, name) or present
    if not present:
        raise ModelError(_no_model_message(project, iteration, name, choice))
    if len(present) > 1:
        raise ModelError(
            f"'{name}' in '{project}' was trained with both engines of DeepLabCut ({' and '.join(FOLDERS.values())}): "
            f"choose with --dlc-engine {' or '.join(FOLDERS)}"
        )
    return present[0]


def _said_by(metadata: Path, name: str) -> list[TrainingEngine]:
    """The engine that a data set's list of shuffles gives one, if it is there."""
    shuffles = read_yaml(metadata, ModelError).get("shuffles") if metadata.is_file() else None
    entry = shuffles.get(name) if isinstance(shuffles, Mapping) else None
    said = str(entry.get("engine")).lower() if isinstance(entry, Mapping) else ""
    return [engine for engine in FOLDERS if engine == ALIASES.get(said, said)]


def _check_project(config_path: Path, config: Mapping[str, Any]) -> None:
    missing = [key for key in ("Task", "date", "iteration", "TrainingFraction") if config.get(key) is None]
    if missing:
        raise ModelError(f"'{config_path}' is not a DeepLabCut project file: it lacks {', '.join(missing)}")
    for key in ("Task", "date", "iteration"):
        # These become parts of a path; it must not lead out of the project.
        text = brief(config[key])
        is_name = isinstance(config[key], str | int | float | date) and not isinstance(config[key], bool)
        if not is_name or len(text) > LONGEST_NAME or any(letter in text for letter in "/\\"):
            raise ModelError(f"'{config_path}' has {key} {text}, which is not a possible folder name: correct it")


def _no_model_message(project: Path, iteration: str, name: str, choice: NetworkChoice) -> str:
    missing = f"no trained network '{name}' in '{project}'"
    folders = [project / FOLDERS[engine] / iteration for engine in ([choice.engine] if choice.engine else FOLDERS)]
    found = sorted(
        {entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir() if entry.is_dir()}
    )
    if found:
        return f"{missing}: there are {', '.join(found)}; choose with --shuffle and --trainset-index"
    there = [folder for folder in folders if folder.is_dir()]
    words = " and ".join(f"'{folder}'" for folder in there or folders)
    verb = "is" if len(there or folders) == 1 else "are"
    advice = ", or leave out --dlc-engine" if choice.engine else ""
    return f"{missing}: {words} {verb} {'empty' if there else 'missing'}; train it, or copy its folder{advice}"
