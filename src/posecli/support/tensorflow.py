"""TensorFlow, loaded quietly and once."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


def choose_kernels() -> None:
    """Have TensorFlow take oneDNN's kernels, which it asks for once, when it is first imported.

    Its others have no gradient of a dilated convolution on a CPU. By itself it takes oneDNN's on some processors
    only, and the same video would be analysed by different code on different machines.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@cache
def import_tensorflow() -> Any:
    """Import TensorFlow and let it find its devices, without what it says to the terminal meanwhile.

    Its start-up notices are written by C++ code before any log level applies, straight to file descriptor 2.
    If the import fails they are shown after all.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    choose_kernels()
    # TensorFlow imports Keras, whose own settings file may name another backend.
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with muted_stderr():
        import tensorflow

        tensorflow.config.list_physical_devices()
    return tensorflow


@contextmanager
def muted_stderr() -> Iterator[None]:
    """Keep what is written to file descriptor 2 from the terminal, unless the block fails."""
    if os.environ.get("POSECLI_VERBOSE"):
        yield
        return
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as notices:
        os.dup2(notices.fileno(), 2)
        try:
            yield
        except BaseException:
            notices.seek(0)
            os.write(terminal, notices.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
