"""Times DeepLabCut's labelled video; for DeepLabCut's own Python, not posecli's.

    python deeplabcut_label.py CONFIG VIDEO PCUTOFF TRAILPOINTS

The table, named as DeepLabCut names it, and its meta file lie beside the video. Prints one JSON line: the seconds
that the call takes, import left out, and the file that it made.
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def main() -> None:
    """Make one labelled video in DeepLabCut's fast mode."""
    config, video, pcutoff, trail = sys.argv[1:]
    with contextlib.suppress(ImportError):
        import tvfix  # noqa: F401  # stands in for a CPU build of torchvision, where there is none
    import deeplabcut

    start = time.perf_counter()
    deeplabcut.create_labeled_video(
        config, [video], fastmode=True, pcutoff=float(pcutoff), trailpoints=int(trail), overwrite=True
    )
    seconds = time.perf_counter() - start
    made = list(Path(video).parent.glob("*_labeled.mp4"))
    print("\n" + json.dumps({"seconds": seconds, "made": [str(path) for path in made]}))


if __name__ == "__main__":
    main()
