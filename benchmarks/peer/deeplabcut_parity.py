"""Poses of DeepLabCut's networks, by DeepLabCut itself; for DeepLabCut's own Python, not posecli's.

    python deeplabcut_parity.py CONFIG OUT_DIR NETWORK[,NETWORK ...] VIDEO [VIDEO ...]

Each network becomes a shuffle of the project: its settings are DeepLabCut's own, its weights the numbers of
``tests/support/golden.py``, with heads that let scores spread as those of trained networks do. Frames that HRNet must
pad are put at the top left (``position`` of its settings). Networks that look at one animal get DeepLabCut's detector
SSDLite with such numbers, which is surest of some box in every frame, or the one that stands behind a plus in their
name. Networks that DeepLabCut makes for projects of several animals get one, of a single animal. DeepLabCut writes its
tables to ``OUT_DIR/<network>``. Prints a JSON line for each network: its name, engine, and the folder of its shuffle.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np

# Beside this script.
from golden_detector import build, prepare  # type: ignore[import-not-found]
from golden_networks import DEVIATION, NETWORKS, change, fitting_gain, golden  # type: ignore[import-not-found]

HRNET = "hrnet"
LIGHT = ("mobilenet", "efficientnet")  # networks of the TensorFlow engine
TOP_DOWN = ("top_down", "rtmpose")  # networks that look at one animal
SEVERAL = "dlcrnet"  # networks of projects for several animals


def main() -> None:
    """Make the shuffles and analyse the videos with each."""
    import deeplabcut

    prepare()
    config, out_dir, names, *videos = sys.argv[1:]
    frame = first_frame(videos[0])
    for name in names.split(","):
        is_tensorflow, several = name.startswith(LIGHT), name.startswith(SEVERAL)
        shuffle = zlib.crc32(name.encode()) % 10_000
        project = project_for_several(Path(config)) if several else Path(config)
        folder = (put_tensorflow if is_tensorflow else put_pytorch)(project, name, shuffle, frame)
        engine = deeplabcut.Engine.TF if is_tensorflow else deeplabcut.Engine.PYTORCH
        settings: dict[str, Any] = {} if is_tensorflow else {"device": "cpu"}
        settings |= {"auto_track": False, "save_as_df": True} if several else {}
        deeplabcut.analyze_videos(
            str(project),
            videos,
            shuffle=shuffle,
            batch_size=1 if is_tensorflow else 4,
            destfolder=str(Path(out_dir) / name),
            engine=engine,
            **settings,
        )
        row = {"network": name, "engine": "TensorFlow" if is_tensorflow else "PyTorch", "folder": str(folder)}
        print("\n" + json.dumps(row), flush=True)


def first_frame(video: str) -> Any:
    """``(H, W, 3)`` RGB."""
    _, frame = cv2.VideoCapture(video).read()
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def project_for_several(config: Path) -> Path:
    """A project for several animals beside this one, with the same body parts, and one animal in it."""
    import yaml

    made = config.parent / "several" / config.name
    made.parent.mkdir(exist_ok=True)
    project = yaml.safe_load(config.read_text())
    parts = project["bodyparts"]
    project |= {"multianimalproject": True, "individuals": ["animal"], "uniquebodyparts": [], "identity": False}
    project |= {"bodyparts": "MULTI!", "multianimalbodyparts": parts, "project_path": str(made.parent)}
    made.write_text(yaml.safe_dump(project))
    return made


def shuffle_folder(config: Path, engine: str, shuffle: int) -> Path:
    """Where DeepLabCut looks for a shuffle, with its parts."""
    import yaml

    project = yaml.safe_load(config.read_text())
    name = f"{project['Task']}{project['date']}-trainset{round(100 * project['TrainingFraction'][0])}shuffle{shuffle}"
    folder = config.parent / engine / f"iteration-{project['iteration']}" / name
    for part in ("train", "test"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    return folder


def write_test_settings(folder: Path, config: Path, **settings: Any) -> None:
    """``pose_cfg.yaml`` of both parts, with the project's body parts."""
    import yaml

    project = yaml.safe_load(config.read_text())
    parts = project.get("multianimalbodyparts") or project["bodyparts"]
    joints = {"all_joints": [[number] for number in range(len(parts))], "all_joints_names": parts}
    for part in ("train", "test"):
        (folder / part / "pose_cfg.yaml").write_text(yaml.safe_dump({**joints, **settings}))


def put_pytorch(config: Path, net_type: str, shuffle: int, frame: Any) -> Path:
    """Write settings and a snapshot where DeepLabCut looks for those of its PyTorch engine."""
    import torch
    import yaml
    from deeplabcut.pose_estimation_pytorch.config import PoseConfig
    from deeplabcut.pose_estimation_pytorch.data.preprocessor import build_bottom_up_preprocessor
    from deeplabcut.pose_estimation_pytorch.data.transforms import build_transforms
    from deeplabcut.pose_estimation_pytorch.models import PoseModel

    folder = shuffle_folder(config, "dlc-models-pytorch", shuffle)
    write_test_settings(folder, config)
    path = folder / "train" / "pytorch_config.yaml"
    prefix = f"{TOP_DOWN[0]}_"
    net_type, _, detector = net_type.partition("+")
    kind = {"net_type": net_type.removeprefix(prefix), "top_down": net_type.startswith(prefix)}
    PoseConfig.build(config, path, **kind, **({"detector_type": detector} if detector else {}), save=True)
    settings = yaml.safe_load(path.read_text())
    if net_type.startswith(HRNET):
        settings["data"]["inference"]["auto_padding"]["position"] = "top_left"
    if net_type.startswith(TOP_DOWN):
        for name, value in NETWORKS[net_type].changes.items() if net_type in NETWORKS else ():
            change(settings, name, value)
        crop = settings["data"]["inference"]["top_down_crop"]
        frame = cv2.resize(frame, (crop["width"], crop["height"]))
        put_detector(folder, settings["detector"]["model"])
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    model = PoseModel.build(settings["model"]).eval()
    shapes = {name: tuple(each.shape) for name, each in model.state_dict().items()}

    def load(gain: float) -> dict[str, Any]:
        state = {name: torch.from_numpy(numbers) for name, numbers in golden.checkpoint(shapes, gain).items()}
        model.load_state_dict(state)
        return state

    load(1.0)
    transforms = build_transforms(settings["data"]["inference"])
    with torch.no_grad():
        found = model(build_bottom_up_preprocessor("RGB", transforms)(frame, {})[0].float())["bodypart"]
    state = load(fitting_gain(shapes, float(found["heatmap"].std())) if "heatmap" in found else 1.0)
    metadata = {"epoch": 1, "metrics": {}, "losses": {}}
    torch.save({"model": state, "metadata": metadata}, folder / "train" / "snapshot-001.pt")
    return folder


def put_detector(folder: Path, settings: dict[str, Any]) -> None:
    """Write a snapshot of a detector where DeepLabCut looks for it."""
    import torch

    state = build(settings).state_dict()
    metadata = {"epoch": 1, "metrics": {}, "losses": {}}
    torch.save({"model": state, "metadata": metadata}, folder / "train" / "snapshot-detector-001.pt")


def put_tensorflow(config: Path, net_type: str, shuffle: int, frame: Any) -> Path:
    """Write settings and a checkpoint where DeepLabCut looks for those of its TensorFlow engine."""
    import tensorflow as tf
    from deeplabcut.pose_estimation_tensorflow.config import load_config
    from deeplabcut.pose_estimation_tensorflow.nnets.factory import PoseNetFactory

    folder = shuffle_folder(config, "dlc-models", shuffle)
    write_test_settings(
        folder,
        config,
        net_type=net_type,
        num_joints=4,
        location_refinement=True,
        locref_stdev=7.2801,
        global_scale=0.8,
        dataset="",
        init_weights="",
        scoremap_dir="test",
    )
    tf.compat.v1.reset_default_graph()
    inputs = tf.compat.v1.placeholder(tf.float32, [1, None, None, 3])
    settings = load_config(str(folder / "test" / "pose_cfg.yaml"))
    heads = PoseNetFactory.create(settings | {"batch_size": 1}).get_net(inputs)
    variables = {each.op.name: each for each in tf.compat.v1.global_variables()}
    numbers = golden.tensorflow_checkpoint({name: tuple(each.shape.as_list()) for name, each in variables.items()})
    with tf.compat.v1.Session() as session:
        for name, variable in variables.items():
            variable.load(numbers[name], session)
        scores = session.run(heads["part_pred"], {inputs: frame[None].astype(np.float32)})
        gain = np.float32(2.0 ** round(np.log2(3 * DEVIATION / scores.std())))  # before a sigmoid
        for name, variable in variables.items():
            if name.startswith("pose/") and len(variable.shape) > 1:
                variable.load(gain * numbers[name], session)
        tf.compat.v1.train.Saver(list(variables.values())).save(session, str(folder / "train" / "snapshot-100"))
    tf.compat.v1.reset_default_graph()
    return folder


if __name__ == "__main__":
    main()
