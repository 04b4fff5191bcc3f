"""`posecli.studies.benchmark.worker` with the fake engine."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from posecli.studies.benchmark.worker import main

if __name__ == "__main__":
    import posecli.engine

    for name in posecli.engine.ENGINE_CLASSES:
        posecli.engine.ENGINE_CLASSES[name] = "support.fake_engine:FakeEngine"
    main()
