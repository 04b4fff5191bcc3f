"""The table of outcomes in ``docs/odd-videos.md``, from the files and checks of the tests.

``python benchmarks/odd_videos.py`` makes and analyses every file again and rewrites the part of the page between its
two marks.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import cv2
from common import write_outcomes

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.odd_videos import Outcome, all_cases, program_version, watch  # noqa: E402

PAGE = ROOT / "docs" / "odd-videos.md"
COLUMNS = (
    "| what is odd | files | read, exit 0 | refused, exit 3 | other exit codes | rows right / due | as it must be |"
)


def main() -> None:
    """Run everything and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = all_outcomes(Path(folder))
    write_outcomes(PAGE, COLUMNS, outcomes, _line, sentence(outcomes))


def all_outcomes(folder: Path) -> list[Outcome]:
    """Outcomes of all files in their order, from one process per processor."""
    parts = os.cpu_count() or 1
    with ThreadPoolExecutor(parts) as pool:
        found = pool.map(lambda part: watch(folder / str(part), part=part, parts=parts, thorough=True), range(parts))
        outcomes = {(outcome.family, outcome.name): outcome for part in found for outcome in part}
    return [outcomes[case.family, case.name] for case in all_cases()]


def _line(words: str, outcomes: Sequence[Outcome]) -> str:
    read, refused = (sum(outcome.exit_code == code for outcome in outcomes) for code in (0, 3))
    rows = f"{sum(outcome.right for outcome in outcomes)} / {sum(outcome.due for outcome in outcomes)}"
    sound = sum(not outcome.violations for outcome in outcomes)
    return f"| {words} | {len(outcomes)} | {read} | {refused} | {len(outcomes) - read - refused} | {rows} | {sound} |"


def sentence(outcomes: Sequence[Outcome]) -> str:
    """What went wrong, and with which libraries."""
    wrong = [f"{outcome.family}/{outcome.name}" for outcome in outcomes if outcome.violations]
    found = f"Not as they must be: {'; '.join(wrong)}." if wrong else "All are as they must be."
    return f"{found} (PyAV {av.__version__}, OpenCV {cv2.__version__}, FFmpeg {program_version()}.)"


if __name__ == "__main__":
    main()
