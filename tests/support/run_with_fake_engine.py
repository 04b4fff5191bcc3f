"""``python run_with_fake_engine.py analyze ...``: the real command line in its own process, with the fake engine."""

import os
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from posecli import engine
from posecli.cli import main

if __name__ == "__main__":
    for name in engine.ENGINE_CLASSES:
        engine.ENGINE_CLASSES[name] = "support.fake_engine:FakeEngine"
    try:
        main()
    finally:
        if os.environ.get("REPORT_PEAK"):
            print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
