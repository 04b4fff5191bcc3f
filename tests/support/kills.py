"""``python kills.py ENGINE VIDEO MODEL OUT PIPELINE KILLS SEED [WINDOW]``: analyses killed at random, and gone on with.

Each is a process of its own, forked from this one, which has imported everything and started nothing. With SIGKILL
nothing of it runs any more: what counts is what the system was given. Prints what came of it as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from posecli import engine
from posecli.analysis import analyze
from posecli.analysis.journal import read_journal
from posecli.options import AnalyzeOptions, EngineName, EngineOptions, PipelineName
from posecli.precision import gate
from posecli.support.tensorflow import import_tensorflow
from posecli.tables.pose_table import read_pose_table
from support.small_network import shrink

BATCH_SIZE = 3
#: Of a finished analysis.
FILES = 3


@dataclass
class Tally:
    """What came of the kills."""

    kills: int = 0
    kills_with_rows: int = 0
    tables: int = 0
    differing_tables: int = 0
    lost_rows: int = 0


class Series:
    """One video, analysed again and again into the same folder."""

    def __init__(self, video: Path, model: Path, options: AnalyzeOptions, seed: str) -> None:
        assert options.out_dir is not None
        self.video = video
        self.model = model
        self.options = options
        self.out_dir = options.out_dir
        self.dice = random.Random(seed)
        self.tally = Tally()

    def run(self, kills: int) -> Tally:
        """Kill so many times, and compare every table that was finished in spite of it."""
        start = time.monotonic()
        self.wait(self.forked())
        whole = time.monotonic() - start
        expected = self.table()
        while self.tally.kills < kills:
            rows = self.rows()
            process = self.forked()
            longest = 1.1 * whole
            if self.tally.kills % 2:  # however fast the machine is: some kills come after new rows
                self.see_rows(process, rows)
                longest = 0.2 * whole
            if self.killed(process, self.dice.uniform(0, longest)):
                self.tally.kills += 1
                self.tally.kills_with_rows += rows < self.rows()
                self.tally.lost_rows += 0 if self.tables() else max(0, rows - self.rows())
            elif not self.tables():
                raise SystemExit("an analysis failed that was not killed")
            if self.tables():
                self.compare(expected)
        self.wait(self.forked())
        self.compare(expected)
        return self.tally

    def compare(self, expected: bytes) -> None:
        """Look at a table, once whoever made it has put everything in place, and clear the folder."""
        if len(list(self.out_dir.iterdir())) > FILES:
            self.wait(self.forked())
        self.tally.tables += 1
        self.tally.differing_tables += self.table() != expected
        if sorted(path.suffix for path in self.out_dir.iterdir()) != [".h5", ".json", ".pickle"]:
            raise SystemExit(f"something was left behind: {sorted(path.name for path in self.out_dir.iterdir())}")
        for path in self.out_dir.iterdir():
            path.unlink()

    def forked(self) -> int:
        """Analyse in a process of its own."""
        process = os.fork()
        if process:
            return process
        code = 1
        try:
            code = analyze(self.video, self.model, self.options).exit_code
        finally:
            os._exit(code)

    def see_rows(self, process: int, rows: int) -> None:
        """Wait until more rows than these are safe, or the process has ended."""
        while self.rows() <= rows and not self.ended(process):
            time.sleep(0.002)

    def killed(self, process: int, seconds: float) -> bool:
        """Kill a process after so long, unless it has ended before."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.ended(process):
            time.sleep(0.001)
        os.kill(process, signal.SIGKILL)
        return self.wait(process) == -signal.SIGKILL

    def ended(self, process: int) -> bool:
        """Whether it has, by itself."""
        return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self, process: int) -> int:
        """Its exit code, negative where a signal ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

    def tables(self) -> list[Path]:
        """Finished ones."""
        return list(self.out_dir.glob("*.h5"))

    def table(self) -> bytes:
        """Content of the finished one."""
        (path,) = self.tables()
        return read_pose_table(path).to_numpy().tobytes()

    def rows(self) -> int:
        """Rows that are safe by now."""
        contents = [read_journal(path) for path in self.out_dir.glob("*.rows.partial")]
        return max((content.rows for content in contents if content is not None), default=0)


def main() -> None:
    """Run a series with the fake engine, or with a real one and a small network."""
    which, video, model, out_dir, pipeline, kills, seed, *window = sys.argv[1:]
    if which in ("fake", "placed", "taught"):
        for name in engine.ENGINE_CLASSES:
            engine.ENGINE_CLASSES[name] = f"support.fake_engine:{which.capitalize()}Engine"
        gate.SAMPLE_PIXELS = 1  # the gate looks at no more frames than it must
    else:
        shrink(pytest.MonkeyPatch())
    if which == "tensorflow":
        import_tensorflow()
    runtime: EngineName = "tensorflow" if which == "tensorflow" else "openvino"
    options = AnalyzeOptions(
        EngineOptions(runtime, "fp32"),
        BATCH_SIZE,
        pipeline=cast(PipelineName, pipeline),
        out_dir=Path(out_dir),
        window=int(window[0]) if window else "off",
    )
    os.fsync = lambda fd: None  # what was written outlives its process without
    Path(out_dir).mkdir()
    print(json.dumps(vars(Series(Path(video), Path(model), options, seed).run(int(kills)))))


if __name__ == "__main__":
    main()
