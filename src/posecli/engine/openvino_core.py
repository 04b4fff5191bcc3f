"""The process's connection to OpenVINO."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def openvino_core() -> Any:
    """The process's only `openvino.Core`, which is never destroyed.

    A core gives the thread that makes it a stack for signals of its own, and puts the earlier one back when it is
    destroyed. Of two that are not destroyed in reverse order the second puts back what the first has freed, and the
    next Ctrl-C is a segmentation fault.
    """
    import openvino

    return openvino.Core()
