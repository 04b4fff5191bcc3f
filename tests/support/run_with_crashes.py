"""``python run_with_crashes.py PLAN analyze ...``: the real command line, whose decoders end the process as planned.

The plan is JSON: ``{"probe" or "frames": {name of a video: number of a signal}, "network": number of a signal,
"log": file}``. The network is fake; it "computes" in fp32 and bf16, and each process that measures or settles
something adds a line to the log.
"""

import json
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from posecli import engine
from posecli.analysis import context, frames
from posecli.cli import main
from posecli.engine.outputs import Maps
from posecli.precision import gate, reckoning
from posecli.video import reader
from posecli.video.decoding import Picture
from posecli.video.pictures import Pictures
from posecli.video.probe import VideoInfo, probe
from support import clips
from support.fake_engine import FakeEngine

PLAN: dict[str, Any] = json.loads(sys.argv.pop(1)) if __name__ == "__main__" else {}


def note(line: str) -> None:
    """Add a line to the log."""
    with Path(PLAN["log"]).open("a", encoding="utf-8") as log:
        log.write(f"{os.getpid()} {line}\n")


def crash(step: str, path: Path) -> None:
    """End the process if that is the plan."""
    number = PLAN.get(step, {}).get(path.name)
    if number is not None:
        note(f"crash {step} {path.name}")
        os.kill(os.getpid(), number)


def patch_videos(patch: pytest.MonkeyPatch) -> None:
    """Into every place that opens them."""

    def probed(path: Path) -> VideoInfo:
        crash("probe", path)
        return probe(path)

    class Crashing(Pictures):
        def __iter__(self) -> Generator[Picture]:
            crash("frames", self.path)
            for picture in super().__iter__():
                yield picture
                if PLAN.get("slow"):
                    time.sleep(0.05)

    patch.setattr(frames, "probe", probed)
    patch.setattr(gate, "probe", probed)
    patch.setattr(reader, "Pictures", Crashing)


def patch_network(patch: pytest.MonkeyPatch) -> None:
    """Log what is measured on it."""

    def logged(name: str, line: str) -> None:
        function = getattr(context, name)

        def called(*arguments: Any) -> Any:
            note(line)
            return function(*arguments)

        patch.setattr(context, name, called)

    def network(engine: FakeEngine, images: clips.Images, compute: Any = FakeEngine.__call__) -> Maps:
        if "network" in PLAN:
            os.kill(os.getpid(), PLAN["network"])
        output: Maps = compute(engine, images)
        return output

    patch.setattr(reckoning, "LEAST_SURE_GAIN", 0.0)  # for short videos too
    logged("choose_precision", "precision")
    logged("choose_batch", "batch")
    patch.setattr(FakeEngine, "__call__", network)
    patch.setattr(
        FakeEngine, "obstacle", staticmethod(lambda _folder, name: None if name in ("fp32", "bf16") else "no")
    )


if __name__ == "__main__":
    for name in engine.ENGINE_CLASSES:
        engine.ENGINE_CLASSES[name] = "support.fake_engine:FakeEngine"
    patch_videos(pytest.MonkeyPatch())
    patch_network(pytest.MonkeyPatch())
    main()
