"""The table of outcomes in ``docs/damaged-videos.md``, from the files and checks of the tests.

``python benchmarks/damaged_videos.py`` makes and analyses every file again and rewrites the part of the page between
its two marks.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
from common import write_outcomes

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.damaged_videos import Outcome, watch  # noqa: E402

PAGE = ROOT / "docs" / "damaged-videos.md"
COLUMNS = (
    "| damage | files | whole table, exit 0 | frames missing, exit 4 | no video, exit 3 | rows right / damaged / NaN |"
)


def main() -> None:
    """Run everything and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = watch(Path(folder))
    write_outcomes(PAGE, COLUMNS, outcomes, _line, sentence(outcomes))


def _line(words: str, outcomes: Sequence[Outcome]) -> str:
    whole, short, refused = (
        sum(outcome.exit_code == code and outcome.state != "lost" for outcome in outcomes) for code in (0, 4, 3)
    )
    rows = [sum(getattr(outcome, name) for outcome in outcomes) for name in ("right", "smeared", "missing")]
    return f"| {words} | {len(outcomes)} | {whole} | {short} | {refused} | {' / '.join(map(str, rows))} |"


def sentence(outcomes: Sequence[Outcome]) -> str:
    """What went wrong, and with which libraries."""
    lost = sum(outcome.state == "lost" for outcome in outcomes)
    wrong = sum(bool(outcome.violations) for outcome in outcomes) - lost
    return (
        f"Of {len(outcomes)} files {lost} hung or killed the process, and {wrong} ended in a traceback, short without "
        f"a word, or with a row that holds another frame's pose. (PyAV {av.__version__}, OpenCV {cv2.__version__}.)"
    )


if __name__ == "__main__":
    main()
