"""Keep the result of ``posecli benchmark``, ``compress-sweep`` or ``scale-sweep`` among the benchmarks' results.

    posecli benchmark --sizes 80,160,320,640 --out-dir study
    python benchmarks/keep_study.py study mathis-warren-2018

Takes the tables (CSV, JSON) and the figures (PNG), not the footage and not the poses; whole paths become file names.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

from common import RESULTS

#: What stands before a file's name in a whole path, also in one that ffmpeg is told to take for a file.
FOLDERS = re.compile(r"(?<![\w:/.])(?:file:)?/(?:[^\s'\"/]+/)*(?=[^\s'\"/])")
#: Shows frames of the video.
FRAMES_FIGURE = "first-frames.png"


def main() -> None:
    """Copy one study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="folder that the command made")
    parser.add_argument("name", help="folder of the results")
    parser.add_argument("--frames", action="store_true", help="also the figure that shows the video: for rendered ones")
    arguments = parser.parse_args()
    target = RESULTS / arguments.name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    content = json.loads((arguments.study / "results.json").read_text(encoding="utf-8"))
    text = json.dumps(without_folders(content), indent=1, ensure_ascii=False)
    (target / "results.json").write_text(text + "\n", encoding="utf-8")
    (target / "results.csv").write_text(csv_without_folders(arguments.study / "results.csv"), encoding="utf-8")
    for figure in sorted((arguments.study / "figures").glob("*.png")):
        if arguments.frames or figure.name != FRAMES_FIGURE:
            shutil.copy(figure, target)
    print(target, *sorted(path.name for path in target.iterdir()), sep="\n  ")


def without_folders(value: Any) -> Any:
    """The same value with file names in the place of whole paths, however deep they lie.

    >>> without_folders({"video": "/home/ada/mouse.mp4", "run": ["ffmpeg -i file:/home/ada/mouse.mp4 a.mp4", "1/2"]})
    {'video': 'mouse.mp4', 'run': ['ffmpeg -i mouse.mp4 a.mp4', '1/2']}
    >>> without_folders("model '/home/ada/my-model' has no int8 version, see https://example.org/help")
    "model 'my-model' has no int8 version, see https://example.org/help"
    """
    if isinstance(value, dict):
        return {name: without_folders(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_folders(item) for item in value]
    return FOLDERS.sub("", value) if isinstance(value, str) else value


def csv_without_folders(path: Path) -> str:
    """A CSV file's text, its paths treated likewise."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = without_folders(list(csv.reader(stream)))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


if __name__ == "__main__":
    main()
