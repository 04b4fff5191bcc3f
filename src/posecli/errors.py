"""Everything that posecli refuses, as one tree of exceptions.

::

    PoseCliError                 1
    ├── UsageError               2    an option or a configuration file is wrong
    ├── VideoError               3    a video is missing or cannot be read
    │   └── ShortVideoError      4    fewer frames could be decoded than the file promises
    ├── ModelError               5    a model is missing, damaged or not supported
    ├── EngineError              6    a runtime cannot do what was asked of it
    │   └── PrecisionError       9    a precision that was asked for cannot run, or does not pass the parity gate
    ├── OutputError              7    a result cannot be written
    │   └── OutputExistsError    8    a result is there already, made differently
    └── LabelError              10    labelled data are missing, damaged or do not fit

The number is the exit code of a command that ends with the error. 0 is success, 130 an interruption by the user, and
75 one by SIGTERM or SIGUSR1, as schedulers send them: the same command goes on. Of several videos in one run the
highest code is the run's.

A message is one sentence that holds the value, what was expected, and what to do next.
"""

from __future__ import annotations


class PoseCliError(Exception):
    """Base of every error that posecli raises on purpose."""

    exit_code = 1

    def __init_subclass__(cls, exit_code: int | None = None) -> None:
        if exit_code is not None:
            cls.exit_code = exit_code


class UsageError(PoseCliError, exit_code=2):
    """An option, an argument or a configuration file is wrong."""


class VideoError(PoseCliError, exit_code=3):
    """A video is missing or cannot be read."""


class ShortVideoError(VideoError, exit_code=4):
    """Fewer frames could be decoded than the file promises."""


class ModelError(PoseCliError, exit_code=5):
    """A model is missing, damaged or of a kind that posecli does not run."""


class EngineError(PoseCliError, exit_code=6):
    """A runtime is not installed, or cannot do what was asked of it."""


class PrecisionError(EngineError, exit_code=9):
    """A precision that was asked for cannot run here, or does not pass the parity gate; no video is analysed."""


class OutputError(PoseCliError, exit_code=7):
    """A result cannot be written where it should go."""


class OutputExistsError(OutputError, exit_code=8):
    """A result stands under the name already and was not made in the same way."""


class LabelError(PoseCliError, exit_code=10):
    """Labelled data are missing, damaged, or do not fit their images, project or model."""


class StopRequest(BaseException):  # nothing is wrong, and nothing but the command itself may catch it
    """A scheduler wants the process to end soon; what was made is kept, and the same command goes on."""


#: Exit code after Ctrl-C, as shells have it: 128 + SIGINT.
EXIT_INTERRUPTED = 130
#: Exit code after SIGTERM or SIGUSR1: EX_TEMPFAIL of sysexits.h, by which schedulers know that another try is worth it.
EXIT_RESUME = 75
