"""A process that may crash, watched by one that does not: a crash loses the video that was open, and not the run.

The command's own process forks a worker, which goes on as if it were the command: it prints, and its exit code is
the command's. It notes through a pipe which video it is about to open and what it has found. If a fault of its own ends
it (libraries that decode damaged videos have such faults), the next worker begins with those notes.

The fork comes first of all, while the process has one thread and no library that would not survive it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from posecli.cli.base import Output
from posecli.errors import EngineError, StopRequest, VideoError
from posecli.support.results import VideoResult, result_note

Note = dict[str, Any]

#: The context's object where the process is the command's own, which may fork.
OWN_PROCESS = object()


def _known_here(*names: str) -> tuple[signal.Signals, ...]:
    """Those of the signals that this system has; Windows has few."""
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


#: By which the system ends a process for a fault of its own.
FAULTS = _known_here("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGSYS", "SIGTRAP")
#: By which a process is asked to stop.
STOPPING = _known_here("SIGINT", "SIGTERM", "SIGUSR1")
#: By which a worker is told of Ctrl-C.
CTRL_C: signal.Signals = getattr(signal, "SIGUSR2", signal.SIGINT)
#: ``prctl``: the signal that a process gets when the one that forked it is gone.
PARENT_DEATH_SIGNAL = 1


@dataclass
class Worker:
    """A worker's own side, in its process.

    Attributes
    ----------
    notes
        What earlier workers have noted.
    """

    notes: tuple[Note, ...] = ()
    _pipe: int | None = None

    def note(self, note: Note) -> None:
        """Tell the watcher."""
        if self._pipe is None:
            return
        left = memoryview(json.dumps(note).encode() + b"\n")
        try:
            while left:
                left = left[os.write(self._pipe, left) :]
        except BrokenPipeError:
            raise StopRequest("the end of the process that watches it") from None

    def opens(self, video: Path | None) -> None:
        """Note which video is about to be opened; ``None`` where a fault would be no video's."""
        self.note({"opens": None if video is None else str(video)})

    def ends(self, exit_code: int) -> None:
        """Note that all is done and said; what libraries do on their way out no longer counts."""
        self.note({"exit_code": exit_code})


class Watcher:
    """The command's own process, which loads nothing and waits."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._notes: list[Note] = []
        self._open: str | None = None
        self._exit_code: int | None = None
        self._worker: int | None = None
        self._stop: int | None = None

    def worker(self) -> Worker | int:
        """Returns in each worker's process, to go on as the command, and at last in this one: the exit code.

        Raises
        ------
        StopRequest
            If a worker was killed, as for want of memory: no video is at fault.
        EngineError
            If a worker crashed while no video was open.
        """
        before = {number: signal.getsignal(number) for number in STOPPING}
        for number, handler in before.items():
            if handler != signal.SIG_IGN:
                signal.signal(number, self._forward)
        while True:
            reader, writer = os.pipe()
            worker = self._forked(before, writer)
            if worker is not None:
                os.close(reader)
                return worker
            os.close(writer)
            self._listen(reader)
            code = self._waited()
            if code >= 0:
                return code
            self._lose(-code)

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        """Hand on a signal by which this process is asked to stop."""
        self._stop = number
        if self._worker is not None:
            os.kill(self._worker, CTRL_C if number == signal.SIGINT else number)

    def _forked(self, handlers: dict[signal.Signals, Any], pipe: int) -> Worker | None:
        """The worker, in its process; ``None`` in this one. What signals come meanwhile wait until both are ready."""
        watcher = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, (*STOPPING, CTRL_C))
        try:
            self._stop_if_asked()
            process = os.fork()
            if process:
                self._worker = process
                return None
            for number, handler in handlers.items():
                signal.signal(number, handler)
            # A terminal sends Ctrl-C to both processes; the worker takes it from the watcher, once.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(CTRL_C, signal.default_int_handler)
            _end_with(watcher)
            return Worker(tuple(self._notes), pipe)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (*STOPPING, CTRL_C))

    def _listen(self, pipe: int) -> None:
        """Take notes until the worker is gone; one that it did not finish is none."""
        self._open = self._exit_code = None
        with os.fdopen(pipe, "rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    continue
                note = json.loads(line)
                if "opens" in note:
                    self._open = note["opens"]
                elif "exit_code" in note:
                    self._exit_code = note["exit_code"]
                else:
                    self._notes.append(note)

    def _waited(self) -> int:
        """The worker's exit code; negative where a signal ended it before all was done."""
        assert self._worker is not None
        process = self._worker
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
        self._worker = None  # first, lest a signal goes to whoever gets its number next
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        return code if code >= 0 or self._exit_code is None else self._exit_code

    def _stop_if_asked(self) -> None:
        """End as a worker would have, had it still been there."""
        if self._stop == signal.SIGINT:
            raise KeyboardInterrupt
        if self._stop is not None:
            raise StopRequest(_name(self._stop))

    def _lose(self, number: int) -> None:
        """Leave out the video at which a worker crashed, or say why there will be no other worker."""
        self._stop_if_asked()
        name = _name(number)
        if number not in FAULTS:
            raise StopRequest(name)
        if self._open is None:
            raise EngineError(
                f"the process died by {name} while no video was being read: run 'posecli doctor', or choose "
                "another --engine or --precision"
            )
        result = VideoResult(
            Path(self._open),
            "failed",
            message=f"the process that read '{self._open}' died by {name}, and the video is left out: repair it "
            "or encode it again",
            exit_code=VideoError.exit_code,
        )
        if sys.stderr.isatty():
            self._output.warn("")  # the worker's progress bar still has its line
        self._output.warn(f"Error: {result.message}")
        self._notes += [{"lost": self._open}, result_note(result)]


def _name(number: int) -> str:
    """What a signal is called.

    >>> _name(11)
    'SIGSEGV'
    """
    try:
        return signal.Signals(number).name
    except ValueError:  # those for programs' own use have numbers only
        return f"signal {number}"


def _end_with(watcher: int) -> None:
    """Have this process stopped, as by a scheduler, when the one that watches it is gone."""
    import ctypes

    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != watcher:  # it was gone before
        os.kill(os.getpid(), signal.SIGTERM)
