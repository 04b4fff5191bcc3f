"""Networks of DeepLabCut's PyTorch engine: a folder of ``dlc-models-pytorch``, an exported model, or a snapshot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from posecli.errors import ModelError
from posecli.model.deeplabcut import MODEL_DIRECTORY, DeepLabCutNetwork, NetworkChoice, ProjectSettings
from posecli.model.description import ModelDescription
from posecli.model.detector import DetectorDescription
from posecli.model.folder import LEFT_OUT, DetectorParts
from posecli.model.pytorch_config import PyTorchConfig
from posecli.model.torchfile import TorchFile, read_torch_file
from posecli.model.torchpickle import TorchTensor, UnusablePickleError, settings_in
from posecli.network.folding import Tensors
from posecli.network.network import Network
from posecli.network.operations import (
    Convolution,
    Dense,
    DepthwiseConvolution,
    Operation,
    TransposedConvolution,
    Weighted,
)
from posecli.support.yamlfile import read_yaml

CONFIG = "pytorch_config.yaml"
SNAPSHOT = re.compile(r"snapshot-(?P<best>best-)?(?P<epoch>\d+)\.pt")
DETECTOR = re.compile(r"snapshot-detector-(?P<best>best-)?(?P<epoch>\d+)\.pt")
#: Of an exported model, behind its folder's name, in which releases spell the net type in several ways.
EXPORT = re.compile(r".*?(_snapshot-detector(?P<detector>(best-)?\d+))?_snapshot-(?P<best>best-)?(?P<epoch>\d+)\.pt")
#: Axes of PyTorch's kernels in the order in which TensorFlow keeps them.
AXES: dict[type[Operation], tuple[int, ...]] = {
    Convolution: (2, 3, 1, 0),
    TransposedConvolution: (2, 3, 1, 0),
    DepthwiseConvolution: (2, 3, 0, 1),
    Dense: (1, 0),
}


@dataclass(frozen=True)
class TorchSnapshot:
    """A file of weights, by what its name says."""

    path: Path
    epoch: int
    is_best: bool

    @property
    def uid(self) -> str:
        """DeepLabCut's name for it.

        >>> TorchSnapshot(Path("snapshot-best-040.pt"), 40, is_best=True).uid
        'best-40'
        """
        return f"best-{self.epoch}" if self.is_best else str(self.epoch)


@dataclass(frozen=True)
class PyTorchNetwork(DeepLabCutNetwork):
    """One trained network of the PyTorch engine."""

    config: PyTorchConfig
    config_path: Path  # of the yaml file, or of the exported model that holds it
    snapshot: Path
    detector: TorchSnapshot | None = None  # what finds a top-down network's boxes, where there is one

    def files(self) -> list[Path]:
        detector = [] if self.detector is None else [self.detector.path]
        return list(dict.fromkeys([self.config_path, self.snapshot, *detector]))

    def describe(self) -> ModelDescription:
        name = SNAPSHOT.fullmatch(self.snapshot.name) or EXPORT.fullmatch(self.snapshot.name)
        epoch = {} if name is None else {"epoch": int(name["epoch"])}
        source = self.source("PyTorch", snapshot=self.snapshot.name, **epoch)
        if self.detector is not None:
            supported = self._detector_description() is not None
            source["detector" if supported else LEFT_OUT] = self.config.detector_name
        return self.config.describe(self.scorer, self.pcutoff, source)

    def read(self, network: Network) -> Tensors:
        return read_state(read_torch_file(self.snapshot), network, f"'{self.config_path}'")

    def read_detector(self) -> DetectorParts | None:
        description = self._detector_description()
        if description is None or self.detector is None:
            return None
        file = read_torch_file(self.detector.path)
        return description, read_state(file, description.network, f"'{self.config_path}'", "detector")

    def _detector_description(self) -> DetectorDescription | None:
        if self.detector is None:
            return None
        snapshot = self.detector
        source = self.source("PyTorch", snapshot=snapshot.path.name, epoch=snapshot.epoch)
        return self.config.describe_detector(self.scorer, source)


def read_state(file: TorchFile, network: Network, described_by: str, part: str = "pose") -> Tensors:
    """A network's weights, from a file of PyTorch's; `ModelError` names those that are missing or do not fit.

    The `part` is that of an exported model, which holds several.
    """
    state, problems = _state(file, part), []
    variables = [(operation, name, shape) for operation, found in network.variables() for name, shape in found.items()]
    for operation, name, shape in variables:
        found, needed = state.get(name), _in_pytorch(operation, name, shape)
        if not isinstance(found, TorchTensor):
            problems.append(f"tensor '{name}' of shape {needed} is missing")
        elif found.shape != needed:
            problems.append(f"tensor '{name}' has shape {found.shape} where {needed} is needed")
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ModelError(
            f"'{file.path}' does not hold the network that {described_by} describes: {', '.join(problems[:3])}{more}; "
            "check that the two belong together"
        )
    return {name: _in_tensorflow(operation, name, file.read(name, state[name])) for operation, name, _ in variables}


def _state(file: TorchFile, part: str) -> Mapping[str, Any]:
    """The tensors of a network in a snapshot, an exported model, or a bare state dict."""
    content = file.content if isinstance(file.content, Mapping) else {}
    found = content.get(part, content.get("model", content))
    return found if isinstance(found, Mapping) else {}


def _axes(operation: Operation, name: str) -> tuple[int, ...] | None:
    """Where TensorFlow's axes of a variable lie in PyTorch's, if it is a kernel."""
    is_kernel = isinstance(operation, Weighted) and operation.weights == name
    return AXES[type(operation)] if is_kernel else None


def _in_pytorch(operation: Operation, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of a variable as PyTorch has it."""
    axes = _axes(operation, name)
    return shape if axes is None else tuple(shape[place] for place in np.argsort(axes))


def _in_tensorflow(operation: Operation, name: str, tensor: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A variable as TensorFlow has it."""
    axes = _axes(operation, name)
    return tensor if axes is None else np.ascontiguousarray(tensor.transpose(axes))


# Where they are ------------------------------------------------------------------------------------------------------


def from_model_directory(
    path: Path, folder: Path, choice: NetworkChoice, settings: ProjectSettings = ProjectSettings()
) -> PyTorchNetwork:
    """The network in a folder of ``dlc-models-pytorch``, or in its part ``train``."""
    train = folder / "train" if (folder / "train").is_dir() else folder
    config_path = train / CONFIG
    config = PyTorchConfig(read_yaml(config_path, ModelError), f"'{config_path}'")
    snapshot = _chosen(train, _listed(train, SNAPSHOT), choice.snapshot, settings.snapshot_index)
    found = _listed(train, DETECTOR) if config.method == "td" else []
    detector = _chosen(train, found, choice.detector_snapshot, settings.detector_index) if found else None
    boxes = None if detector is None else detector.uid
    scorer = scorer_name(config.net_type, *_task_and_shuffle(folder, config), snapshot.uid, boxes)
    return PyTorchNetwork(path, scorer, settings.pcutoff, config, config_path, snapshot.path, detector)


def from_export(path: Path, choice: NetworkChoice) -> PyTorchNetwork:
    """The network in an exported model's folder, which may hold several snapshots."""
    files = list(path.glob("*.pt"))
    if len(files) == 1 and choice.snapshot is None:
        return from_file(path, files[0])
    return from_file(path, _chosen(path, _listed(path, EXPORT), choice.snapshot, -1).path)


def from_file(path: Path, file: Path) -> PyTorchNetwork:
    """The network of one file: an exported model, or a snapshot beside its ``pytorch_config.yaml``."""
    if DETECTOR.fullmatch(file.name):
        raise ModelError(f"'{file}' finds animals but no body parts: give a snapshot of the pose network")
    config_path, content = _config_of(file)
    config = PyTorchConfig(content, f"'{config_path}'")
    name = SNAPSHOT.fullmatch(file.name) or EXPORT.fullmatch(file.name)
    uid = file.stem if name is None else _snapshot(file, name).uid
    detector = _detector_in(file)
    folder = file.resolve().parent
    scorer = scorer_name(
        config.net_type,
        *_task_and_shuffle(folder.parent if folder.name == "train" else folder, config),
        uid,
        None if detector is None else detector.uid,
    )
    return PyTorchNetwork(path, scorer, None, config, config_path, file, detector)


def _config_of(file: Path) -> tuple[Path, Mapping[str, Any]]:
    """The settings that an exported model holds, or that lie beside a snapshot; and their file."""
    content = read_torch_file(file).content
    if isinstance(content, Mapping) and isinstance(content.get("config"), Mapping):
        try:
            return file, settings_in(content["config"])
        except UnusablePickleError as error:
            raise ModelError(f"'{file}' {error}: export the model again") from error
    for path in (file.parent / CONFIG, file.parent / "train" / CONFIG):
        if path.is_file():
            return path, read_yaml(path, ModelError)
    raise ModelError(f"'{file}' does not say what network it is of: put the {CONFIG} of its training beside it")


def _detector_in(file: Path) -> TorchSnapshot | None:
    """The detector that an exported model holds, by the file's name."""
    name = EXPORT.fullmatch(file.name)
    uid = name["detector"] if name else None
    return None if uid is None else TorchSnapshot(file, int(uid.removeprefix("best-")), uid.startswith("best-"))


def _snapshot(path: Path, name: re.Match[str]) -> TorchSnapshot:
    return TorchSnapshot(path, int(name["epoch"]), name["best"] is not None)


def _listed(folder: Path, pattern: re.Pattern[str]) -> list[TorchSnapshot]:
    """Snapshots in DeepLabCut's order: by epoch, and any best one last."""
    found = [_snapshot(path, name) for path in folder.iterdir() if (name := pattern.fullmatch(path.name)) is not None]
    return sorted(found, key=lambda snapshot: (snapshot.is_best, snapshot.epoch))


def _chosen(
    folder: Path, snapshots: list[TorchSnapshot], choice: int | Literal["best"] | None, index: int
) -> TorchSnapshot:
    """The snapshot of an epoch, the best one, or the one at a place."""
    if not snapshots:
        raise ModelError(f"'{folder}' holds no snapshot (snapshot-<epoch>.pt): train the network or copy its files")
    names = [snapshot.uid for snapshot in snapshots]
    if choice is None:
        if not -len(snapshots) <= index < len(snapshots):
            raise ModelError(f"'{folder}' has no snapshot number {index} (snapshotindex): there are {', '.join(names)}")
        return snapshots[index]
    found = [each for each in snapshots if (each.is_best if choice == "best" else each.epoch == choice)]
    if not found:
        wanted = "best snapshot" if choice == "best" else f"snapshot of epoch {choice}"
        raise ModelError(f"'{folder}' has no {wanted}: choose one of {', '.join(names)}")
    return found[-1] if choice == "best" else found[0]


def _task_and_shuffle(folder: Path, config: PyTorchConfig) -> tuple[str, str]:
    """Task with its date, and shuffle, from what DeepLabCut calls the folder, or called it where it was trained."""
    trained = PureWindowsPath(str(config.section("metadata").get("pose_config_path"))).parts  # of any system's paths
    for name in (folder.resolve().name, *trained[-3:-2]):
        if (match := MODEL_DIRECTORY.fullmatch(name)) is not None:
            return match["task_date"], match["shuffle"]
    export = rf"DLC_(.+)_(?:NetType\.)?{re.escape(config.net_type)}_iteration-\d+_shuffle-(\d+)"
    if (match := re.fullmatch(export, folder.resolve().name, re.IGNORECASE)) is not None:
        return match[1], match[2]
    return folder.resolve().name, "1"


def scorer_name(net_type: str, task_date: str, shuffle: str, snapshot: str, detector: str | None = None) -> str:
    """What DeepLabCut's PyTorch engine calls a network.

    >>> scorer_name("hrnet_w32", "openfieldOct30", "3", "best-40")
    'DLC_HrnetW32_openfieldOct30shuffle3_snapshot_best-40'
    >>> scorer_name("resnet_50", "openfieldOct30", "3", "5", detector="7")
    'DLC_Resnet50_openfieldOct30shuffle3_detector_7_snapshot_5'
    """
    name = "".join(part.capitalize() for part in net_type.split("_"))
    boxes = "" if detector is None else f"detector_{detector}_"
    return f"DLC_{name}_{task_date}shuffle{shuffle}_{boxes}snapshot_{snapshot}"
