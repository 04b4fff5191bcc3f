"""Where DeepLabCut's projects and exported models keep what.

Nothing is written to a project, and no pickle in it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from posecli.errors import ModelError
from posecli.model import deeplabcut_tensorflow
from posecli.model.deeplabcut import DeepLabCutNetwork, NetworkChoice, number_in, snapshot_index
from posecli.support.yamlfile import brief, read_yaml, truth_of

#: Of a project's task, date or iteration; file systems take names of 255 bytes.
LONGEST_NAME = 60


def find_source(path: Path, choice: NetworkChoice = NetworkChoice()) -> DeepLabCutNetwork:
    """Find a network in a project (``config.yaml`` or folder), one folder of its ``dlc-models``, or an exported model.

    Raises `ModelError` if there is none, or its kind is not supported.
    """
    if not path.exists():
        raise ModelError(f"model '{path}' does not exist: check the path")
    if path.is_file() and path.suffix not in (".yaml", ".yml"):
        raise ModelError(f"'{path}' is not a model: give a model folder, or a DeepLabCut config.yaml or folder")
    config_path = path if path.is_file() else path / "config.yaml"
    if config_path.is_file():
        return _from_project(path, config_path, choice)
    # Resolved, because '.' has no name.
    folder = path.resolve().parent if path.resolve().name in ("train", "test") else path
    if (folder / "train").is_dir():
        _refuse_shuffle(path, choice)
        return deeplabcut_tensorflow.from_model_directory(path, folder, choice)
    if (path / "pose_cfg.yaml").is_file():
        _refuse_shuffle(path, choice)
        return deeplabcut_tensorflow.from_export(path, choice)
    raise ModelError(
        f"'{path}' holds no model: expected a posecli model folder (model.yaml), a DeepLabCut project "
        "(config.yaml), a folder of its dlc-models (train/), or an exported model (pose_cfg.yaml)"
    )


def _refuse_shuffle(path: Path, choice: NetworkChoice) -> None:
    if choice.shuffle != NetworkChoice.shuffle or choice.trainset_index != NetworkChoice.trainset_index:
        raise ModelError(
            f"'{path}' holds one network: --shuffle {choice.shuffle} and --trainset-index {choice.trainset_index} "
            "choose among those of a DeepLabCut project, so give its config.yaml"
        )


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
    iteration = f"iteration-{config['iteration']}"
    folder = config_path.parent / "dlc-models" / iteration / name
    if not folder.is_dir():
        raise ModelError(_no_model_message(config_path.parent, iteration, name))
    index = snapshot_index(config_path, config)
    pcutoff = config.get("pcutoff")
    pcutoff = None if pcutoff is None else number_in(config_path, "pcutoff", pcutoff)
    return deeplabcut_tensorflow.from_model_directory(path, folder, choice, index, pcutoff)


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
    if truth_of(config.get("multianimalproject")):
        raise ModelError(
            f"'{config_path}' is a multi-animal project, which is not supported yet: use a single-animal one"
        )


def _no_model_message(project: Path, iteration: str, name: str) -> str:
    torch = project / "dlc-models-pytorch" / iteration / name
    if torch.is_dir():
        return (
            f"'{torch}' was trained with DeepLabCut's PyTorch engine, which is not supported yet: "
            "use a shuffle trained with its TensorFlow engine"
        )
    parent = project / "dlc-models" / iteration
    found = sorted(entry.name for entry in parent.iterdir() if entry.is_dir()) if parent.is_dir() else []
    have = f"there are {', '.join(found)}" if found else f"'{parent}' is empty"
    return f"no trained network '{name}' in '{project}': {have}; choose with --shuffle and --trainset-index"
