"""DeepLabCut's own steps on a table that posecli made; for DeepLabCut's own Python, not posecli's.

    python deeplabcut_round_trip.py CONFIG VIDEO

The table lies beside the video. Prints one JSON line: DeepLabCut's version, and for each step the files that it made,
or what went wrong.
"""

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["MPLBACKEND"] = "Agg"


def main() -> None:
    """Take each step, and go on behind one that fails."""
    config, video = sys.argv[1:]
    with contextlib.suppress(ImportError):
        import tvfix  # noqa: F401  # stands in for a CPU build of torchvision, where there is none
    import deeplabcut

    steps = {
        "create_labeled_video": lambda: deeplabcut.create_labeled_video(config, [video]),
        "filterpredictions": lambda: deeplabcut.filterpredictions(config, [video]),
        "create_labeled_video, filtered": lambda: deeplabcut.create_labeled_video(config, [video], filtered=True),
        "plot_trajectories": lambda: deeplabcut.plot_trajectories(config, [video]),
        "analyzeskeleton": lambda: deeplabcut.analyzeskeleton(config, [video]),
    }
    rows = [taken(name, step, Path(video).parent) for name, step in steps.items()]
    print("\n" + json.dumps({"version": version("deeplabcut"), "steps": rows}))


def taken(name: str, step: Callable[[], object], folder: Path) -> dict[str, object]:
    """One step, and what is new in the folder after it."""
    before = set(folder.rglob("*"))
    try:
        step()
        problem = ""
    except BaseException as error:  # DeepLabCut also exits
        traceback.print_exc()
        problem = f"{type(error).__name__}: {error}"
    made = sorted(str(path.relative_to(folder)) for path in set(folder.rglob("*")) - before if path.is_file())
    return {"step": name, "made": made, "problem": problem}


if __name__ == "__main__":
    main()
