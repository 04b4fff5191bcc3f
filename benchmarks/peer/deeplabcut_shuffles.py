"""Runs DeepLabCut's PyTorch engine with trained shuffles of a project; for DeepLabCut's own Python, not posecli's.

    python deeplabcut_shuffles.py CONFIG VIDEO OUT_DIR SHUFFLE [SHUFFLE ...]

Prints a JSON line for each shuffle: the table that DeepLabCut wrote.
"""

import contextlib
import json
import sys
from pathlib import Path


def main() -> None:
    """Analyse one video with each shuffle."""
    config, video, out_dir, *shuffles = sys.argv[1:]
    with contextlib.suppress(ImportError):
        import tvfix  # noqa: F401  # stands in for a CPU build of torchvision, where there is none
    import deeplabcut

    for shuffle in shuffles:
        folder = Path(out_dir) / shuffle
        deeplabcut.analyze_videos(
            config,
            [video],
            shuffle=int(shuffle),
            batch_size=8,
            destfolder=str(folder),
            engine=deeplabcut.Engine.PYTORCH,
            device="cpu",
        )
        (table,) = folder.glob(f"{Path(video).stem}DLC*.h5")
        print("\n" + json.dumps({"shuffle": int(shuffle), "table": str(table)}), flush=True)


if __name__ == "__main__":
    main()
