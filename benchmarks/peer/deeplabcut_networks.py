"""Runs any network of DeepLabCut on videos; for DeepLabCut's own Python, not posecli's.

    python deeplabcut_networks.py PROJECT ENGINE NET_TYPE

ENGINE is pytorch or tensorflow. DeepLabCut's own network of that type, for the project's body parts, is put into the
project as its shuffle `SHUFFLE`. Its weights are random, on which speed does not depend, and it is sure of every point.
Then each line ``VIDEO BATCH OUT_DIR`` of standard input (JSON, a list) is answered with one JSON line: frames, and the
seconds that DeepLabCut itself reports for its loop.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import sys
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

SHUFFLE = 7


def main() -> None:
    """Make the network, then analyse what is asked for."""
    project, engine, net_type = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    with contextlib.suppress(ImportError):
        import tvfix  # noqa: F401  # stands in for a CPU build of torchvision, where there is none
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what DeepLabCut prints
    import deeplabcut

    config = project / "config.yaml"
    (put_pytorch if engine == "pytorch" else put_tensorflow)(config, net_type)
    print(json.dumps({"ready": net_type}), file=answers, flush=True)
    chosen = {"engine": deeplabcut.Engine.PYTORCH, "device": "cpu"} if engine == "pytorch" else {}
    for line in sys.stdin:
        video, batch, out_dir = json.loads(line)
        settings = {"shuffle": SHUFFLE, "batch_size": batch, "destfolder": out_dir, **chosen}
        deeplabcut.analyze_videos(str(config), [video], **settings)
        meta = next(Path(out_dir).glob(f"{Path(video).stem}*_meta.pickle"))
        data = pickle.loads(meta.read_bytes())["data"]
        print(json.dumps({"frames": data["nframes"], "seconds": data["run_duration"]}), file=answers, flush=True)


def folder_for(config: Path, models: str) -> tuple[Path, list[str]]:
    """Where the network of a project lies, and the body parts."""
    import yaml

    project = yaml.safe_load(config.read_text())
    percent = int(project["TrainingFraction"][0] * 100)
    name = f"{project['Task']}{project['date']}-trainset{percent}shuffle{SHUFFLE}"
    folder = config.parent / models / f"iteration-{project['iteration']}" / name
    for part in ("train", "test"):
        (folder / part).mkdir(parents=True)
    return folder, project["bodyparts"]


def joints(parts: list[str]) -> dict[str, Any]:
    """What DeepLabCut says of body parts in pose_cfg.yaml."""
    return {"all_joints": [[number] for number in range(len(parts))], "all_joints_names": parts}


def put_pytorch(config: Path, net_type: str) -> None:
    """Settings as DeepLabCut writes them, and a snapshot of random weights."""
    import torch
    import yaml
    from deeplabcut.pose_estimation_pytorch.config.make_pose_config import make_pytorch_pose_config
    from deeplabcut.pose_estimation_pytorch.models import PoseModel

    folder, parts = folder_for(config, "dlc-models-pytorch")
    (folder / "test" / "pose_cfg.yaml").write_text(yaml.safe_dump(joints(parts)))
    settings = make_pytorch_pose_config(str(config), folder / "train" / "pytorch_config.yaml", net_type, save=True)
    weights = PoseModel.build(settings["model"]).state_dict()
    for name, tensor in weights.items():
        if ".heatmap_head." in name and name.endswith(".bias"):
            tensor.fill_(1.0)
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
