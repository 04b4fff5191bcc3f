"""One core, so that signals go on being delivered."""

from __future__ import annotations

import subprocess
import sys

from posecli.engine.openvino_core import openvino_core

PROGRAM = """
import faulthandler, gc, signal
faulthandler.enable()
from posecli.engine.openvino_core import openvino_core
first, second = openvino_core(), openvino_core()
first.get_property("CPU", "FULL_DEVICE_NAME")
del first
gc.collect()
del second
gc.collect()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_there_is_one() -> None:
    assert openvino_core() is openvino_core()


def test_ctrl_c_arrives_after_cores_are_let_go() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
