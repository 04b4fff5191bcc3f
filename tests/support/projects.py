"""DeepLabCut projects in miniature: real checkpoints of random networks, in folders laid out as DeepLabCut does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from posecli.model.description import ModelDescription
from posecli.model.folder import ModelFolder, write_folder
from posecli.network.architectures import pose_network
from posecli.network.network import PoseSpec
from posecli.support.tensorflow import import_tensorflow

Tensors = dict[str, npt.NDArray[Any]]

BODYPARTS = ("snout", "leftear", "rightear", "tailbase")
TASK, DATE = "reach", "Nov20"
SCORER = f"DLC_resnet50_{TASK}{DATE}shuffle1_100"

#: All that DeepLabCut 3.0.2 writes to a single-animal test/pose_cfg.yaml; the rest it takes from its defaults.
POSE_CFG: dict[str, Any] = {
    "dataset": f"training-datasets/iteration-0/UnaugmentedDataSet_{TASK}{DATE}/{TASK}_me95shuffle1.mat",
    "num_joints": len(BODYPARTS),
    "all_joints": [[0], [1], [2], [3]],
    "all_joints_names": list(BODYPARTS),
    "net_type": "resnet_50",
    "init_weights": "somewhere/else",
    "global_scale": 0.8,
    "location_refinement": True,
    "locref_stdev": 7.2801,
    "scoremap_dir": "test",
}


def random_weights(net_type: str = "resnet_50", n_bodyparts: int = len(BODYPARTS)) -> Tensors:
    """Weights that keep activations near 1 all the way, so that neither nothing nor everything saturates."""
    rng = np.random.default_rng(20241120)
    shapes = pose_network(PoseSpec(net_type, n_bodyparts)).variable_shapes()
    return {name: _random(rng, name, shape).astype(np.float32) for name, shape in shapes.items()}


def _random(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    scope, _, variable = name.rpartition("/")
    is_stem = "/block" not in scope
    if variable == "weights":
        inputs = shape[3] * 9 / 4 if name.startswith("pose/") else np.prod(shape[:3]) / 2
        return rng.standard_normal(shape, np.float32) / np.float32(np.sqrt(inputs))
    if variable == "gamma":
        return rng.uniform(0.2, 0.4, shape) if "conv3" in scope else rng.uniform(0.8, 1.2, shape)
    if variable == "moving_variance":
        return rng.uniform(0.7, 1.5, shape) * (1e4 if is_stem else 1)  # the stem sees pixels, up to 255
    return rng.standard_normal(shape) * (10 if is_stem and variable == "moving_mean" else 0.1)


@cache
def weights() -> Tensors:
    """The random resnet_50 of every test, 95 MB; not to be changed."""
    return random_weights()


def training_leftovers(tensors: Tensors) -> Tensors:
    """What training with SGD, then Adam, and intermediate supervision leaves in a checkpoint beside the network."""
    slots = {
        f"{name}/{slot}": np.zeros_like(tensor)
        for name, tensor in tensors.items()
        for slot in ("Momentum", "Adam", "Adam_1")
        if tensor.size < 1000
    }
    return slots | {
        "global_step": np.array(100, np.int64),
        "beta1_power": np.array(0.9, np.float32),
        "beta2_power": np.array(0.999, np.float32),
        "pose/intermediate_supervision/block4/weights": np.zeros((3, 3, len(BODYPARTS), 1024), np.float32),
        "pose/intermediate_supervision/block4/biases": np.zeros(len(BODYPARTS), np.float32),
    }


def write_checkpoint(prefix: Path, tensors: Tensors) -> Path:
    """Write ``<prefix>.index`` and ``<prefix>.data-00000-of-00001`` with TensorFlow's own writer."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    import_tensorflow().raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[*tensors.values()],
    )
    return prefix


def write_frozen_graph(path: Path, tensors: Tensors) -> Path:
    """Write a ``.pb`` whose constants are the tensors."""
    tf = import_tensorflow()
    graph = tf.compat.v1.GraphDef()
    graph.node.add(name="Placeholder", op="Placeholder")
    for name, tensor in tensors.items():
        node = graph.node.add(name=name, op="Const")
        node.attr["dtype"].type = tf.as_dtype(tensor.dtype).as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(tensor))
    graph.node.add(name="concat_1", op="ConcatV2")
    path.write_bytes(graph.SerializeToString())
    return path


@cache
def trained_checkpoint(folder: Path) -> Path:
    """A checkpoint of `weights` as training leaves it, written once to a folder that tests share."""
    return write_checkpoint(folder / "trained" / "snapshot-100", weights() | training_leftovers(weights()))


@cache
def model_folder(folder: Path) -> ModelFolder:
    """A model folder of `weights`, written once to a folder that tests share."""
    return write_folder(folder / "random-model", ModelDescription("resnet_50", BODYPARTS, SCORER), weights())


def new_model_folder(folder: Path, net_type: str, **description: Any) -> ModelFolder:
    """A model folder of random weights, for a network that is smaller than most (`networks.tiny_resnet`)."""
    described = ModelDescription(net_type, BODYPARTS, SCORER, **description)
    return write_folder(folder / "model", described, random_weights(net_type))


def link_checkpoint(source: Path, prefix: Path) -> None:
    """Give a checkpoint's files another place and name without copying them."""
    for ending in (".index", ".data-00000-of-00001"):
        prefix.with_name(prefix.name + ending).hardlink_to(source.with_name(source.name + ending))


def write_yaml(path: Path, content: Mapping[str, Any]) -> Path:
    """Write settings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
    return path


def write_project(root: Path, **config: Any) -> Path:
    """Write a ``config.yaml``; `config` adds to it or, with ``None``, empties a key."""
    content = {
        "Task": TASK,
        "scorer": "me",
        "date": DATE,
        "multianimalproject": None,
        "identity": None,
        "project_path": "/a/place/on/another/machine",
        "bodyparts": list(BODYPARTS),
        "pcutoff": 0.4,
        "TrainingFraction": [0.95],
        "iteration": 0,
        "snapshotindex": -1,
    }
    return write_yaml(root / "config.yaml", content | config)


def write_model_directory(
    root: Path,
    name: str = f"{TASK}{DATE}-trainset95shuffle1",
    *,
    snapshots: Iterable[int] = (100,),
    checkpoint: Path | None = None,
    **pose_cfg: Any,
) -> Path:
    """Write one folder of a project's ``dlc-models``; without a checkpoint its snapshots are empty files."""
    folder = root / "dlc-models" / "iteration-0" / name
    for part in ("train", "test"):
        write_yaml(folder / part / "pose_cfg.yaml", POSE_CFG | pose_cfg)
    for iterations in snapshots:
        prefix = folder / "train" / f"snapshot-{iterations}"
        if checkpoint is None:
            prefix.with_name(f"{prefix.name}.index").touch()
        else:
            link_checkpoint(checkpoint, prefix)
    return folder


def write_export(folder: Path, **pose_cfg: Any) -> Path:
    """Write an exported model's ``pose_cfg.yaml``, which also holds what DeepLabCut assumes by default."""
    defaults = {"stride": 8.0, "mean_pixel": [123.68, 116.779, 103.939], "batch_size": None, "multi_stage": False}
    write_yaml(folder / "pose_cfg.yaml", dict(sorted((POSE_CFG | defaults | pose_cfg).items())))
    return folder
