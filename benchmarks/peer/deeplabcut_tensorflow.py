"""Runs DeepLabCut's TensorFlow loop on a video; for DeepLabCut's own Python, not posecli's.

    python deeplabcut_tensorflow.py CONFIG VIDEO BATCH OUT_DIR

Prints one JSON line: frames, and the seconds that DeepLabCut itself reports for its loop.
"""

import contextlib
import json
import os
import pickle
import sys
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def main() -> None:
    """Analyse one video and read the run's length from the meta file that DeepLabCut wrote."""
    config, video, batch, out_dir = sys.argv[1:]
    with contextlib.suppress(ImportError):
        import tvfix  # noqa: F401  # stands in for a CPU build of torchvision, where there is none
    import deeplabcut

    deeplabcut.analyze_videos(config, [video], batch_size=int(batch), destfolder=out_dir, engine=deeplabcut.Engine.TF)
    meta = next(Path(out_dir).glob(f"{Path(video).stem}*_meta.pickle"))
    data = pickle.loads(meta.read_bytes())["data"]
    print("\n" + json.dumps({"frames": data["nframes"], "seconds": data["run_duration"]}))


if __name__ == "__main__":
    main()
