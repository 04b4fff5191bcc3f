"""Runs DeepLabCut's PyTorch engine on a video; for DeepLabCut's own Python, not posecli's.

    python deeplabcut_pytorch.py CONFIG VIDEO BATCH OUT_DIR

The project has no network of that engine, so DeepLabCut's own ``resnet_50`` for its body parts is put into it, with
random weights: its speed does not depend on what it finds. Prints one JSON line: frames, and the seconds that
DeepLabCut itself reports for its call.
"""

import contextlib
import json
import pickle
import sys
from pathlib import Path

SHUFFLE = 2
NET_TYPE = "resnet_50"


def main() -> None:
    """Analyse one video and read the run's length from the meta file that DeepLabCut wrote."""
    config, video, batch, out_dir = sys.argv[1:]
    with contextlib.suppress(ImportError):
        import tvfix  # noqa: F401  # stands in for a CPU build of torchvision, where there is none
    import deeplabcut

    put_network(Path(config))
    deeplabcut.analyze_videos(
        config,
        [video],
        shuffle=SHUFFLE,
        batch_size=int(batch),
        destfolder=out_dir,
        engine=deeplabcut.Engine.PYTORCH,
        device="cpu",
    )
    meta = next(Path(out_dir).glob(f"{Path(video).stem}*_meta.pickle"))
    data = pickle.loads(meta.read_bytes())["data"]
    print("\n" + json.dumps({"frames": data["nframes"], "seconds": data["run_duration"]}))


def put_network(config: Path) -> None:
    """Write settings and a snapshot where DeepLabCut looks for those of its PyTorch engine, unless they are there."""
    import torch
    import yaml
    from deeplabcut.pose_estimation_pytorch.config.make_pose_config import make_pytorch_pose_config
    from deeplabcut.pose_estimation_pytorch.models import PoseModel

    project = yaml.safe_load(config.read_text())
    model = config.parent / "dlc-models-pytorch" / f"iteration-{project['iteration']}"
    name = f"{project['Task']}{project['date']}-trainset{round(100 * project['TrainingFraction'][0])}shuffle{SHUFFLE}"
    snapshot = model / name / "train" / "snapshot-001.pt"
    if snapshot.exists():
        return
    for part in ("train", "test"):
        (model / name / part).mkdir(parents=True, exist_ok=True)
    parts = project["bodyparts"]
    joints = {"all_joints": [[number] for number in range(len(parts))], "all_joints_names": parts}
    (model / name / "test" / "pose_cfg.yaml").write_text(yaml.safe_dump(joints))
    settings = make_pytorch_pose_config(str(config), snapshot.with_name("pytorch_config.yaml"), NET_TYPE, save=True)
    network = PoseModel.build(settings["model"])
    metadata = {"epoch": 1, "metrics": {}, "losses": {}}
    torch.save({"model": network.state_dict(), "metadata": metadata}, snapshot)


if __name__ == "__main__":
    main()
