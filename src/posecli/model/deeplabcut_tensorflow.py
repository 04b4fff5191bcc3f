"""Networks of DeepLabCut's TensorFlow engine: a folder of ``dlc-models``, or an exported model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posecli.errors import ModelError
from posecli.model.checkpoint import read_checkpoint, read_frozen_graph
from posecli.model.deeplabcut import DeepLabCutNetwork, NetworkChoice, ProjectSettings, model_directory
from posecli.model.description import ModelDescription
from posecli.model.folder import check_tensors
from posecli.network import efficientnet, mobilenet
from posecli.network.architectures import TENSORFLOW_NETWORKS
from posecli.network.folding import Tensors
from posecli.network.network import IMAGENET_MEAN, LOCREF_STDEV, Network
from posecli.options import Statistics
from posecli.support.textfile import NOTES
from posecli.support.yamlfile import brief, name_of, read_yaml, truth_of

#: What DeepLabCut assumes where ``pose_cfg.yaml`` says nothing.
POSE_CFG_DEFAULTS: dict[str, Any] = {
    "stride": 8.0,
    "mean_pixel": list(IMAGENET_MEAN),
    "locref_stdev": LOCREF_STDEV,
    "location_refinement": False,
    "multi_stage": False,
    "partaffinityfield_predict": False,
    "pairwise_predict": False,
    "use_batch_norm": False,
}
#: Networks whose normalisation may be by stored statistics or by each frame's own.
EITHER_STATISTICS = (*mobilenet.WIDTHS, *efficientnet.SIZES)
EXPORT_DIRECTORY = re.compile(
    r"DLC_(?P<task>.+)_(?:mobilenet_v2_[^_]+|efficientnet-[^_]+|[a-z]+net_[^_]+)_iteration-\d+_shuffle-(?P<shuffle>\d+)"
)
DATASET_DIRECTORY = re.compile(r"UnaugmentedDataSet_(?P<task_date>[^/\\]+)")
SNAPSHOT = re.compile(r".+-(?P<iteration>\d+)")


@dataclass(frozen=True)
class TensorFlowNetwork(DeepLabCutNetwork):
    """One trained network of the TensorFlow engine."""

    pose_cfg: Mapping[str, Any]  # pose_cfg.yaml over DeepLabCut's defaults
    pose_cfg_path: Path
    checkpoint: Path  # without ending, or the frozen graph (.pb) of an export without a checkpoint
    statistics: Statistics | None = None  # of batch normalisation; None: those that DeepLabCut takes
    training: Mapping[str, Any] = field(default_factory=dict)  # settings of its training, as far as they are there

    @property
    def is_frozen_graph(self) -> bool:
        """Whether the weights are constants of a frozen graph."""
        return self.checkpoint.suffix == ".pb"

    def files(self) -> list[Path]:
        if self.is_frozen_graph:
            return [self.pose_cfg_path, self.checkpoint]
        folder, stem = self.checkpoint.parent, self.checkpoint.name
        return [self.pose_cfg_path, *sorted(path for path in folder.iterdir() if path.name.startswith(f"{stem}."))]

    def read(self, network: Network) -> Tensors:
        shapes = network.variable_shapes()
        read = read_frozen_graph if self.is_frozen_graph else read_checkpoint
        tensors = read(self.checkpoint, shapes)
        check_tensors(tensors, shapes, where=f"'{self.checkpoint}'")
        return tensors

    def describe(self) -> ModelDescription:
        cfg = {key: truth_of(value) for key, value in self.pose_cfg.items()}
        net_type = posecli_name(str(cfg.get("net_type")))
        if net_type not in TENSORFLOW_NETWORKS or cfg["multi_stage"]:
            found = " ".join((f"multi-stage {net_type}" if cfg["multi_stage"] else net_type).split())[:80]
            raise ModelError(
                f"net type '{found}' of '{self.pose_cfg_path}' is not supported yet: "
                f"of the TensorFlow engine posecli runs {', '.join(TENSORFLOW_NETWORKS)}"
            )
        if cfg["partaffinityfield_predict"] or cfg["pairwise_predict"]:
            raise ModelError(
                f"'{self.pose_cfg_path}' describes a multi-animal network, which is not supported yet: "
                "use a single-animal one"
            )
        try:
            red, green, blue = map(float, cfg["mean_pixel"])
            return ModelDescription(
                net_type=net_type,
                bodyparts=tuple(name_of(name) for name in cfg["all_joints_names"]),
                scorer=self.scorer,
                stride=float(cfg["stride"]),
                locref_stdev=float(cfg["locref_stdev"]),
                location_refinement=cfg["location_refinement"],
                mean_pixel=(red, green, blue),
                std_pixel=efficientnet.IMAGENET_STD if net_type in efficientnet.SIZES else (1.0, 1.0, 1.0),
                layout=self._layout(net_type, cfg),
                pcutoff=self.pcutoff,
                source=self.source(
                    "TensorFlow",
                    checkpoint=self.checkpoint.name,
                    global_scale=float(self.pose_cfg.get("global_scale", 1.0)),
                    **_training_scales(self.training),
                    **self._random_parts(net_type, cfg),
                ),
            )
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise ModelError(
                f"'{self.pose_cfg_path}' is not a usable pose_cfg.yaml ({brief(str(error))}): copy it again"
            ) from error

    def _random_parts(self, net_type: str, cfg: Mapping[str, Any]) -> dict[str, str]:
        """What is done about blocks that DeepLabCut leaves out at random, when it analyses as when it trains."""
        if net_type not in efficientnet.SIZES or not cfg.get("use_drop_out"):
            return {}
        NOTES.warning(
            "'%s' says use_drop_out, by which DeepLabCut leaves out blocks at random when it analyses too: "
            "posecli computes all, as DeepLabCut does without it",
            self.pose_cfg_path,
        )
        return {"use_drop_out": "not applied"}

    def _layout(self, net_type: str, cfg: Mapping[str, Any]) -> dict[str, Any]:
        """Statistics of normalisation: as DeepLabCut computes it, unless the user has chosen."""
        if net_type in EITHER_STATISTICS:
            in_training = net_type in mobilenet.WIDTHS or cfg["use_batch_norm"]
            return {"statistics": self.statistics or ("frame" if in_training else "stored")}
        return {}


def posecli_name(net_type: str) -> str:
    """A net type of ``pose_cfg.yaml`` as posecli has it; DeepLabCut takes EfficientNets with an underscore too.

    >>> posecli_name("efficientnet_b0")
    'efficientnet-b0'
    """
    return net_type.replace("efficientnet_", "efficientnet-")


def _training_scales(training: Mapping[str, Any]) -> dict[str, str]:
    """The sizes at which a network saw its images, if they are known: one scale, and a range about it."""
    keys = ("global_scale", "scale_jitter_lo", "scale_jitter_up")
    if any(training.get(key) is None for key in keys):
        return {}
    scale, low, high = (float(training[key]) for key in keys)
    return {"training_scales": f"{scale * low:g} to {scale * high:g}"}


def from_model_directory(
    path: Path, folder: Path, choice: NetworkChoice, settings: ProjectSettings = ProjectSettings()
) -> TensorFlowNetwork:
    """The network in a folder of ``dlc-models``."""
    match = model_directory(folder)
    pose_cfg_path = folder / "test" / "pose_cfg.yaml"
    pose_cfg = POSE_CFG_DEFAULTS | read_yaml(pose_cfg_path, ModelError)
    checkpoint = _snapshot(folder / "train", ".index", choice, settings.snapshot_index).with_suffix("")
    scorer = scorer_name(str(pose_cfg.get("net_type")), match["task_date"], match["shuffle"], checkpoint.name)
    path_of_training = folder / "train" / "pose_cfg.yaml"
    training = read_yaml(path_of_training, ModelError) if path_of_training.is_file() else {}
    return TensorFlowNetwork(
        path, scorer, settings.pcutoff, pose_cfg, pose_cfg_path, checkpoint, choice.statistics, training
    )


def from_export(path: Path, choice: NetworkChoice) -> TensorFlowNetwork:
    """The network in an exported model's folder."""
    pose_cfg_path = path / "pose_cfg.yaml"
    pose_cfg = POSE_CFG_DEFAULTS | read_yaml(pose_cfg_path, ModelError)
    if any(path.glob("*.index")):
        checkpoint = _snapshot(path, ".index", choice).with_suffix("")
    elif any(path.glob("*.pb")):
        checkpoint = _snapshot(path, ".pb", choice)
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
    return TensorFlowNetwork(path, scorer, None, pose_cfg, pose_cfg_path, checkpoint, choice.statistics, pose_cfg)


def _snapshot(folder: Path, ending: str, choice: NetworkChoice, index: int = -1) -> Path:
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
    if choice.snapshot == "best":
        raise ModelError(
            f"'{folder}' has no best snapshot, which DeepLabCut's PyTorch engine alone keeps: choose one of {numbers}"
        )
    if choice.snapshot is None:
        if not -len(numbers) <= index < len(numbers):
            raise ModelError(f"'{folder}' has no snapshot number {index} (snapshotindex): there are {numbers}")
        return found[numbers[index]]
    if choice.snapshot not in found:
        raise ModelError(f"'{folder}' has no snapshot of iteration {choice.snapshot}: choose one of {numbers}")
    return found[choice.snapshot]


def scorer_name(net_type: str, task_date: str, shuffle: str, snapshot: str) -> str:
    """What DeepLabCut's TensorFlow engine calls a network.

    >>> scorer_name("resnet_50", "openfieldOct30", "1", "snapshot-4000")
    'DLC_resnet50_openfieldOct30shuffle1_4000'
    >>> scorer_name("mobilenet_v2_0.35", "reachMay3", "2", "snapshot-7")
    'DLC_mobnet_35_reachMay3shuffle2_7'
    >>> scorer_name("efficientnet-b0", "reachMay3", "2", "snapshot-7")
    'DLC_effnet_b0_reachMay3shuffle2_7'
    """
    family, _, width = net_type.rpartition("_")
    if family == "mobilenet_v2" and re.fullmatch(r"\d\.\d+", width):
        name = f"mobnet_{int(float(width) * 100)}"
    elif posecli_name(net_type).startswith("efficientnet-"):
        name = posecli_name(net_type).replace("efficientnet-", "effnet_")
    else:
        name = net_type.replace("_", "")
    return f"DLC_{name}_{task_date}shuffle{shuffle}_{snapshot.rpartition('-')[2]}"
