"""Golden files of DeepLabCut's networks; for DeepLabCut's own Python, not posecli's.

    python golden_networks.py OUT_DIR [NETWORK ...]

Each network is built by DeepLabCut from settings that it wrote itself for a project with two body parts, gets the
numbers of ``tests/support/golden.py``, and sees pictures made there. `OUT_DIR` gets the settings, paths cleaned
(``<network>.yaml``), and what DeepLabCut made (``<network>.npz``): the maps ``heatmap`` and ``locref``, channels last,
or the scores ``x`` and ``y`` along the axes of a crop; and the poses ``(K, 3)``, each by picture, such as
``heatmap 64x96``; names and shapes of the checkpoint's tensors; and the gain of the heads (see `checkpoint` there).
A sigmoid that stands before DeepLabCut's decoding is applied to the maps. Of a network of the TensorFlow engine there
are no settings, and no poses.

Frames that HRNet must pad are put at the top left, which DeepLabCut's setting ``position`` asks for; left alone, it
puts them somewhere new each time.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
with contextlib.suppress(ImportError):
    import tvfix  # noqa: F401  # stands in for a CPU build of torchvision, where there is none
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))
import golden  # type: ignore[import-not-found]  # it imports nothing of posecli

PROJECT = "/data/project"  # what the files have for the folder where they were made
BODYPARTS = ("snout", "tailbase")
SIZES = ((64, 96), (65, 97))
ODD = SIZES[1:]
DEVIATION = 0.3  # of scores
SMALL = ((64, 64), (41, 70))  # for networks whose maps are large


@dataclass(frozen=True)
class PyTorch:
    """A network of DeepLabCut's PyTorch engine."""

    net_type: str
    sizes: tuple[tuple[int, int], ...] = SIZES
    changes: Mapping[str, Any] = field(default_factory=dict)  # of the settings, by dotted name
    top_down: bool = False
    several: bool = False  # whether the project is one for several animals; it has one


@dataclass(frozen=True)
class TensorFlow:
    """A network of DeepLabCut's TensorFlow engine, which sees one picture at a time."""

    net_type: str
    sizes: tuple[tuple[int, int], ...] = SIZES


HEAD = "model.heads.bodypart"
PREDICTOR = f"{HEAD}.predictor"
NO_LOCREF = {
    f"{PREDICTOR}.location_refinement": False,
    f"{HEAD}.target_generator.generate_locref": False,
    f"{HEAD}.criterion.locref": None,
    f"{HEAD}.locref_config": None,
}
TWO_LAYERS = {
    f"{HEAD}.{maps}_config": {"channels": [512, 6, count], "kernel_size": [3, 4], "strides": [2, 2]}
    for maps, count in {"heatmap": 2, "locref": 4}.items()
}
ALL_BRANCHES: dict[str, Any] = {
    "model.backbone.interpolate_branches": True,
    "model.backbone.increased_channel_count": True,
}
ALL_BRANCHES |= {f"{HEAD}.{maps}_config.channels.0": 1920 for maps in ("heatmap", "locref")}
PLACED = {"data.inference.auto_padding.position": "top_left"}

NETWORKS: dict[str, PyTorch | TensorFlow] = {
    "resnet_50": PyTorch("resnet_50"),
    "resnet_50-stride-32": PyTorch("resnet_50", ODD, {"model.backbone.output_stride": 32}),
    "resnet_101": PyTorch("resnet_101"),
    "hrnet_w18": PyTorch("hrnet_w18", SMALL, PLACED),
    "hrnet_w18-all-branches": PyTorch("hrnet_w18", SMALL, PLACED | ALL_BRANCHES),
    "hrnet_w32": PyTorch("hrnet_w32", SMALL, PLACED),
    "hrnet_w48": PyTorch("hrnet_w48", SMALL, PLACED),
    "cspnext_s": PyTorch("cspnext_s"),
    "cspnext_s-no-locref": PyTorch("cspnext_s", ODD, NO_LOCREF),
    "cspnext_s-two-layers": PyTorch("cspnext_s", ODD, TWO_LAYERS),
    "cspnext_s-sigmoid": PyTorch(
        "cspnext_s", ODD, {f"{PREDICTOR}.apply_sigmoid": True, f"{PREDICTOR}.clip_scores": False}
    ),
    "cspnext_s-unclipped": PyTorch("cspnext_s", ODD, {f"{PREDICTOR}.clip_scores": False}),
    "cspnext_m": PyTorch("cspnext_m"),
    "cspnext_x": PyTorch("cspnext_x"),
    # DeepLabCut makes these two for projects of several animals only.
    "dlcrnet_stride16_ms5": PyTorch("dlcrnet_stride16_ms5", several=True),
    "dlcrnet_stride32_ms5": PyTorch("dlcrnet_stride32_ms5", ODD, several=True),
    "rtmpose_s": PyTorch("rtmpose_s", ((256, 256),)),
    "rtmpose_m": PyTorch("rtmpose_m", ((256, 256),)),
    # DeepLabCut 3.0.2 writes crops of 256x256 px, which its own head of this network does not take.
    "rtmpose_x": PyTorch("rtmpose_x", ((384, 384),), {"data.inference.top_down_crop": {"width": 384, "height": 384}}),
}
NETWORKS |= {name: TensorFlow(name) for name in ("mobilenet_v2_1.0", "mobilenet_v2_0.35", "efficientnet-b0")}
NETWORKS |= {name: TensorFlow(name, ODD) for name in ("mobilenet_v2_0.75", "mobilenet_v2_0.5")}
NETWORKS |= {name: TensorFlow(name, ODD) for name in (f"efficientnet-b{size}" for size in range(1, 7))}


def main() -> None:
    """Make the files of all networks, or of those named."""
    out, names = Path(sys.argv[1]), sys.argv[2:] or list(NETWORKS)
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        makers[type(NETWORKS[name])](NETWORKS[name], out / name)
        print(name, *(f"{file.name} {file.stat().st_size} bytes" for file in out.glob(f"{name}.*")), flush=True)


def write_project(folder: Path, *, several: bool) -> Path:
    """A project file, as small as DeepLabCut admits."""
    import yaml

    config = folder / "config.yaml"
    project = {"Task": "golden", "scorer": "someone", "date": "Nov1", "multianimalproject": False, "identity": False}
    project |= {"project_path": str(folder), "bodyparts": list(BODYPARTS), "TrainingFraction": [0.95], "iteration": 0}
    if several:
        project |= {"multianimalproject": True, "individuals": ["animal"], "uniquebodyparts": []}
        project |= {"bodyparts": "MULTI!", "multianimalbodyparts": list(BODYPARTS)}
    config.write_text(yaml.safe_dump(project | {"video_sets": {}, "engine": "pytorch"}))
    return config


def make_pytorch(network: PyTorch, path: Path) -> None:
    """Settings, maps and poses of a network of the PyTorch engine."""
    import torch
    import yaml
    from deeplabcut.pose_estimation_pytorch.config import PoseConfig
    from deeplabcut.pose_estimation_pytorch.data.preprocessor import build_bottom_up_preprocessor
    from deeplabcut.pose_estimation_pytorch.data.transforms import build_transforms
    from deeplabcut.pose_estimation_pytorch.models import PoseModel

    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "pytorch_config.yaml"
        project = write_project(Path(folder), several=network.several)
        PoseConfig.build(project, written, net_type=network.net_type, top_down=network.top_down, save=True)
        settings = yaml.safe_load(written.read_text().replace(folder, PROJECT))
    for name, value in network.changes.items():
        change(settings, name, value)
    beside(path, ".yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    model = PoseModel.build(settings["model"]).eval()
    shapes = {name: tuple(each.shape) for name, each in model.state_dict().items()}
    prepare = build_bottom_up_preprocessor("RGB", build_transforms(settings["data"]["inference"]))
    batches = {size: prepare(golden.golden_picture(*size), {})[0].float() for size in network.sizes}

    def outputs(size: tuple[int, int], gain: float) -> dict[str, Any]:
        numbers = golden.checkpoint(shapes, gain)
        model.load_state_dict({name: torch.from_numpy(numbers[name]) for name in shapes})
        with torch.no_grad():
            found: dict[str, Any] = model(batches[size])
            return found | {"poses": model.get_predictions(found)["bodypart"]["poses"]}

    maps = outputs(network.sizes[0], 1.0)["bodypart"]
    gain = fitting_gain(shapes, float(maps["heatmap"].std())) if "heatmap" in maps else 1.0
    arrays: dict[str, Any] = {"gain": np.float32(gain)}
    for size in network.sizes:
        found, picture = outputs(size, gain), "{}x{}".format(*size)
        maps = {name: channels_last(each.numpy()[0]) for name, each in found["bodypart"].items() if name != "paf"}
        if "heatmap" in maps and settings["model"]["heads"]["bodypart"]["predictor"].get("apply_sigmoid", True):
            maps["heatmap"] = 1 / (1 + np.exp(-maps["heatmap"]))
        arrays |= {f"{name} {picture}": each for name, each in maps.items()}
        arrays[f"poses {picture}"] = found["poses"].numpy().reshape(-1, found["poses"].shape[-1])[:, :3]
    save(path, arrays, shapes)


def channels_last(maps: Any) -> Any:
    """Maps as posecli has them; scores along an axis as they are."""
    return maps.transpose(1, 2, 0) if maps.ndim == 3 else maps


def fitting_gain(shapes: Mapping[str, tuple[int, ...]], deviation: float) -> float:
    """The power of two that lets maps spread as those of trained networks do, for as many layers as a head has."""
    in_a_row = ("heatmap_head", "convt1", "hm_ref_layers")
    layers = sum(any(part in name for part in in_a_row) and len(shape) > 1 for name, shape in shapes.items())
    return float(2.0 ** round(np.log2(DEVIATION / deviation) / layers))


def change(settings: Any, name: str, value: Any) -> None:
    """Set, or with `None` remove, what lies under a dotted name."""
    *way, last = name.split(".")
    for step in way:
        settings = settings[step]
    if isinstance(settings, list):
        settings[int(last)] = value
    elif value is None:
        settings.pop(last, None)
    else:
        settings[last] = value


def save(path: Path, arrays: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Arrays, and names and shapes as JSON in bytes."""
    state = np.frombuffer(json.dumps(shapes).encode(), np.uint8)
    np.savez_compressed(beside(path, ".npz"), state=state, **arrays)


def beside(path: Path, ending: str) -> Path:
    """The file with an ending; names of networks may have dots."""
    return path.with_name(path.name + ending)


def make_tensorflow(network: TensorFlow, path: Path) -> None:
    """Maps of a network of the TensorFlow engine."""
    import tensorflow as tf
    from deeplabcut.pose_estimation_tensorflow.default_config import cfg as defaults
    from deeplabcut.pose_estimation_tensorflow.nnets.factory import PoseNetFactory

    settings = {"net_type": network.net_type, "num_joints": len(BODYPARTS), "location_refinement": True}
    settings |= {"dataset_type": "imgaug", "batch_size": 1}
    with tf.Graph().as_default():
        images = tf.compat.v1.placeholder(tf.float32, [1, None, None, 3])
        heads = PoseNetFactory.create({**defaults, **settings}).test(images)
        variables = {each.op.name: each for each in tf.compat.v1.global_variables()}
        shapes = {name: tuple(each.shape.as_list()) for name, each in variables.items()}
        with tf.compat.v1.Session() as session:
            numbers = golden.tensorflow_checkpoint(shapes)
            # All at once: each assignment by itself would build the graph anew.
            starts = {name: each.initializer for name, each in variables.items()}
            session.run(list(starts.values()), {start.inputs[1]: numbers[name] for name, start in starts.items()})
            arrays: dict[str, Any] = {}
            for size in network.sizes:
                asked = {"heatmap": heads["part_prob"], "locref": heads["locref"]}
                found = session.run(asked, {images: golden.golden_picture(*size)[None].astype(np.float32)})
                arrays |= {f"{name} {size[0]}x{size[1]}": each[0] for name, each in found.items()}
    save(path, arrays, shapes)


makers: dict[type, Callable[[Any, Path], None]] = {PyTorch: make_pytorch, TensorFlow: make_tensorflow}

if __name__ == "__main__":
    main()
