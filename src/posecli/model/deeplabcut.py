"""Where DeepLabCut's TensorFlow projects and exported models keep what.

Nothing is written to a project, and no pickle in it is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from posecli.errors import ModelError
from posecli.network.network import IMAGENET_MEAN, LOCREF_STDEV
from posecli.support.yamlfile import brief, read_yaml, truth_of

#: What DeepLabCut assumes where ``pose_cfg.yaml`` says nothing.
POSE_CFG_DEFAULTS: dict[str, Any] = {
    "stride": 8.0,
    "mean_pixel": list(IMAGENET_MEAN),
    "locref_stdev": LOCREF_STDEV,
    "location_refinement": False,
    "multi_stage": False,
    "partaffinityfield_predict": False,
    "pairwise_predict": False,
}
#: Of a project's task, date or iteration; file systems take names of 255 bytes.
LONGEST_NAME = 60
MODEL_DIRECTORY = re.compile(r"(?P<task_date>.+)-trainset(?P<percent>\d+)shuffle(?P<shuffle>\d+)")
EXPORT_DIRECTORY = re.compile(r"DLC_(?P<task>.+)_(?P<net>[a-z]+[^_]*_[^_]+)_iteration-\d+_shuffle-(?P<shuffle>\d+)")
DATASET_DIRECTORY = re.compile(r"UnaugmentedDataSet_(?P<task_date>[^/\\]+)")
SNAPSHOT = re.compile(r".+-(?P<iteration>\d+)")


@dataclass(frozen=True)
class NetworkChoice:
    """Which of a project's networks is meant."""

    shuffle: int = 1
    trainset_index: int = 0  # place in the project's TrainingFraction
    snapshot: int | None = None  # its training iteration; None: the one that config.yaml says, else the last


@dataclass(frozen=True)
class DeepLabCutNetwork:
    """One trained network of DeepLabCut."""

    path: Path  # what the user named
    pose_cfg: Mapping[str, Any]  # pose_cfg.yaml over DeepLabCut's defaults
    pose_cfg_path: Path
    checkpoint: Path  # without ending, or the frozen graph (.pb) of an export without a checkpoint
    scorer: str  # DeepLabCut's name for the network
    pcutoff: float | None = None  # the project's likelihood cut-off

    @property
    def is_frozen_graph(self) -> bool:
        """Whether the weights are constants of a frozen graph."""
        return self.checkpoint.suffix == ".pb"

    def files(self) -> list[Path]:
        """The files that determine the network."""
        if self.is_frozen_graph:
            return [self.pose_cfg_path, self.checkpoint]
        folder, stem = self.checkpoint.parent, self.checkpoint.name
        return [self.pose_cfg_path, *sorted(path for path in folder.iterdir() if path.name.startswith(f"{stem}."))]


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
        return _from_model_directory(path, folder, choice.snapshot, snapshot_index=-1)
    if (path / "pose_cfg.yaml").is_file():
        _refuse_shuffle(path, choice)
        return _from_export(path, choice)
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
    percent = int(_number(config_path, "TrainingFraction", fractions[choice.trainset_index]) * 100)
    name = f"{config['Task']}{config['date']}-trainset{percent}shuffle{choice.shuffle}"
    iteration = f"iteration-{config['iteration']}"
    folder = config_path.parent / "dlc-models" / iteration / name
    if not folder.is_dir():
        raise ModelError(_no_model_message(config_path.parent, iteration, name))
    index = config.get("snapshotindex")
    index = -1 if index in (None, "all") else int(_number(config_path, "snapshotindex", index))
    source = _from_model_directory(path, folder, choice.snapshot, index)
    pcutoff = config.get("pcutoff")
    return replace(source, pcutoff=None if pcutoff is None else _number(config_path, "pcutoff", pcutoff))


def _number(config_path: Path, key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, ArithmeticError):
        number = math.nan
    if not math.isfinite(number):
        raise ModelError(f"'{config_path}' has {key} {brief(value)} where a number is needed: correct it")
    return number


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


def _from_model_directory(path: Path, folder: Path, snapshot: int | None, snapshot_index: int) -> DeepLabCutNetwork:
    match = MODEL_DIRECTORY.fullmatch(folder.resolve().name)
    if match is None:
        raise ModelError(
            f"'{folder}' is not named <Task><date>-trainset<percent>shuffle<k> as DeepLabCut names its models"
        )
    pose_cfg_path = folder / "test" / "pose_cfg.yaml"
    pose_cfg = POSE_CFG_DEFAULTS | read_yaml(pose_cfg_path, ModelError)
    checkpoint = _snapshot(folder / "train", ".index", snapshot, snapshot_index).with_suffix("")
    scorer = scorer_name(str(pose_cfg.get("net_type")), match["task_date"], match["shuffle"], checkpoint.name)
    return DeepLabCutNetwork(path, pose_cfg, pose_cfg_path, checkpoint, scorer)


def _from_export(path: Path, choice: NetworkChoice) -> DeepLabCutNetwork:
    pose_cfg_path = path / "pose_cfg.yaml"
    pose_cfg = POSE_CFG_DEFAULTS | read_yaml(pose_cfg_path, ModelError)
    if any(path.glob("*.index")):
        checkpoint = _snapshot(path, ".index", choice.snapshot, -1).with_suffix("")
    elif any(path.glob("*.pb")):
        checkpoint = _snapshot(path, ".pb", choice.snapshot, -1)
    else:
        raise ModelError(
            f"'{path}' holds neither a checkpoint (.index) nor a frozen graph (.pb): export the model again"
        )
    name = EXPORT_DIRECTORY.fullmatch(path.resolve().name)
    dataset = DATASET_DIRECTORY.search(str(pose_cfg.get("dataset", "")))
    task_date = dataset["task_date"] if dataset else name["task"] if name else path.resolve().name
    shuffle = name["shuffle"] if name else "1"
    snapshot = checkpoint.name.removesuffix(".pb")
    scorer = scorer_name(str(pose_cfg.get("net_type")), task_date, shuffle, snapshot)
    return DeepLabCutNetwork(path, pose_cfg, pose_cfg_path, checkpoint, scorer)


def _snapshot(folder: Path, ending: str, iteration: int | None, index: int) -> Path:
    """The file with this ending of one snapshot."""
    found = {
        int(match["iteration"]): entry
        for entry in folder.glob(f"*{ending}")
        if (match := SNAPSHOT.fullmatch(entry.stem)) is not None
    }
    if not found:
        raise ModelError(
            f"'{folder}' holds no snapshot (snapshot-<iterations>{ending}): train the network or copy its files"
        )
    numbers = sorted(found)
    if iteration is None:
        if not -len(numbers) <= index < len(numbers):
            raise ModelError(f"'{folder}' has no snapshot number {index} (snapshotindex): there are {numbers}")
        return found[numbers[index]]
    if iteration not in found:
        raise ModelError(f"'{folder}' has no snapshot of iteration {iteration}: choose one of {numbers}")
    return found[iteration]


def scorer_name(net_type: str, task_date: str, shuffle: str, snapshot: str) -> str:
    """What DeepLabCut's TensorFlow engine calls a network.

    >>> scorer_name("resnet_50", "openfieldOct30", "1", "snapshot-4000")
    'DLC_resnet50_openfieldOct30shuffle1_4000'
    """
    return f"DLC_{net_type.replace('_', '')}_{task_date}shuffle{shuffle}_{snapshot.rpartition('-')[2]}"
