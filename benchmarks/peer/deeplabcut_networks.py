"""Runs any network of DeepLabCut on videos; for DeepLabCut's own Python, not posecli's.

    python deeplabcut_networks.py PROJECT ENGINE NET_TYPE

ENGINE is pytorch or tensorflow. DeepLabCut's own network of that type, for the project's body parts, is put into the
project as its shuffle `SHUFFLE`. Its weights are random, on which speed does not depend, and it is sure of every point.
DLCRNet is that of a project for several animals with one in it, and sees nothing, so that no animal is put together.
A network that looks at one animal gets the detector SSDLite, which is surest of some box in every frame. Then each line
``VIDEO BATCH OUT_DIR`` of standard input (JSON, a list) is answered with one JSON line: frames, and the seconds that
DeepLabCut reports for its loop, less those that leave out the detector's overlapping boxes: torchvision's compiled
function for that may be missing, and a slow one takes its place.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

SHUFFLE = 7
TOP_DOWN = "top_down_"
SEVERAL = "dlcrnet"  # networks of projects for several animals


class Timed:
    """A function, and the seconds that its calls took."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.seconds = 0.0

    def __call__(self, *values: Any) -> Any:
        start = time.perf_counter()
        result = self.function(*values)
        self.seconds += time.perf_counter() - start
        return result


def main() -> None:
    """Make the network, then analyse what is asked for."""
    project, engine, net_type = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    with contextlib.suppress(ImportError):
        import tvfix  # noqa: F401  # stands in for a CPU build of torchvision, where there is none
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what DeepLabCut prints
    import deeplabcut
    from deeplabcut_parity import prepare, project_for_several  # type: ignore[import-not-found]
    from torchvision.ops import boxes

    prepare()
    boxes.nms = leaving_out = Timed(boxes.nms)
    config = project / "config.yaml"
    if net_type.startswith(SEVERAL):
        config = project_for_several(config)
    (put_pytorch if engine == "pytorch" else put_tensorflow)(config, net_type)
    print(json.dumps({"ready": net_type}), file=answers, flush=True)
    chosen = {"engine": deeplabcut.Engine.PYTORCH, "device": "cpu"} if engine == "pytorch" else {}
    chosen |= {"auto_track": False} if net_type.startswith(SEVERAL) else {}
    for line in sys.stdin:
        video, batch, out_dir = json.loads(line)
        settings = {"shuffle": SHUFFLE, "batch_size": batch, "destfolder": out_dir, **chosen}
        before = leaving_out.seconds
        deeplabcut.analyze_videos(str(config), [video], **settings)
        meta = next(Path(out_dir).glob(f"{Path(video).stem}*_meta.pickle"))
        data = pickle.loads(meta.read_bytes())["data"]
        seconds = data["run_duration"] - (leaving_out.seconds - before)
        print(json.dumps({"frames": data["nframes"], "seconds": seconds}), file=answers, flush=True)


def folder_for(config: Path, models: str) -> tuple[Path, list[str]]:
    """Where the network of a project lies, and the body parts."""
    import yaml

    project = yaml.safe_load(config.read_text())
    percent = int(project["TrainingFraction"][0] * 100)
    name = f"{project['Task']}{project['date']}-trainset{percent}shuffle{SHUFFLE}"
    folder = config.parent / models / f"iteration-{project['iteration']}" / name
    for part in ("train", "test"):
        (folder / part).mkdir(parents=True)
    return folder, project.get("multianimalbodyparts") or project["bodyparts"]


def joints(parts: list[str]) -> dict[str, Any]:
    """What DeepLabCut says of body parts in pose_cfg.yaml."""
    return {"all_joints": [[number] for number in range(len(parts))], "all_joints_names": parts}


def put_pytorch(config: Path, net_type: str) -> None:
    """Settings as DeepLabCut writes them, and a snapshot of random weights."""
    import torch
    import yaml
    from deeplabcut.pose_estimation_pytorch.config import PoseConfig
    from deeplabcut.pose_estimation_pytorch.models import PoseModel
    from deeplabcut_parity import put_detector

    folder, parts = folder_for(config, "dlc-models-pytorch")
    (folder / "test" / "pose_cfg.yaml").write_text(yaml.safe_dump(joints(parts)))
    path, top_down = folder / "train" / "pytorch_config.yaml", net_type.startswith(TOP_DOWN)
    PoseConfig.build(config, path, net_type=net_type.removeprefix(TOP_DOWN), top_down=top_down, save=True)
    settings = yaml.safe_load(path.read_text())
    if size := settings["model"]["heads"]["bodypart"].get("input_size"):  # crops of rtmpose_x are not as it takes them
        settings["data"]["inference"]["top_down_crop"] = dict(zip(("width", "height"), size, strict=True))
        path.write_text(yaml.safe_dump(settings))
    if settings.get("detector"):
        put_detector(folder, settings["detector"]["model"])
    weights = PoseModel.build(settings["model"]).state_dict()
    for name, tensor in weights.items():
        if ".heatmap_head." in name and name.endswith(".bias"):
            tensor.fill_(-5.0 if net_type.startswith(SEVERAL) else 1.0)
    snapshot = {"model": weights, "metadata": {"epoch": 1, "metrics": {}, "losses": {}}}
    torch.save(snapshot, folder / "train" / "snapshot-001.pt")


def put_tensorflow(config: Path, net_type: str) -> None:
    """Settings, and a checkpoint of the graph's initial weights."""
    import tensorflow.compat.v1 as tf
    import yaml
    from deeplabcut.pose_estimation_tensorflow.default_config import cfg as defaults
    from deeplabcut.pose_estimation_tensorflow.nnets.factory import PoseNetFactory

    folder, parts = folder_for(config, "dlc-models")
    settings = {"net_type": net_type, "num_joints": len(parts), "location_refinement": True, **joints(parts)}
    for part in ("train", "test"):
        (folder / part / "pose_cfg.yaml").write_text(yaml.safe_dump(settings))
    with tf.Graph().as_default(), tf.Session() as session:
        frames = tf.placeholder(tf.float32, [None, None, None, 3])
        PoseNetFactory.create({**defaults, **settings, "batch_size": None}).get_net(frames)
        session.run(tf.global_variables_initializer())
        biases = next(each for each in tf.global_variables() if each.op.name == "pose/part_pred/block4/biases")
        session.run(biases.assign(tf.ones_like(biases) * 5))
        tf.train.Saver().save(session, str(folder / "train" / "snapshot-1"))


if __name__ == "__main__":
    main()
