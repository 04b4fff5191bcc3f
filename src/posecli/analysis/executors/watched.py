"""Carries out a plan in a process that may crash, and watches it: a crash loses the video that was open, not the run.

The worker is forked from this process, which must not have loaded a library that would not survive it. It is given the
plan as JSON, prints, and notes through a pipe which video it is about to open and what it has found. If a fault of its
own ends it (libraries that decode damaged videos have such faults), the next worker is given what is left of the plan,
with all that was settled.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, Never

from posecli import errors
from posecli.analysis.executors import OUTCOMES, Outcome, Verb
from posecli.analysis.observer import RunObserver
from posecli.analysis.plan import RunPlan, Settled, VideoPlan, from_plain
from posecli.errors import EXIT_INTERRUPTED, EXIT_RESUME, EngineError, PoseCliError, StopRequest, VideoError
from posecli.support.results import VideoResult

Note = dict[str, Any]


#: By which the system ends a process for a fault of its own.
FAULTS = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGSYS", "SIGTRAP")
#: By which a process is asked to stop, and by which a worker is told of Ctrl-C.
STOPPING, CTRL_C = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1), signal.SIGUSR2
#: By which a worker is told that the process that forked it is gone; ``prctl`` has the system send it.
ORPHANED = signal.SIGRTMIN
PARENT_DEATH_SIGNAL = 1


def watched(plan: RunPlan, verb: Verb, observer: RunObserver) -> list[Outcome]:
    """What came of each video; one that takes its process with it has failed.

    A `StopRequest` says that a worker was killed, as for want of memory: no video is at fault. What a worker raises is
    raised here.
    """
    with _Watch(plan, verb, observer) as watch:
        while watch.left.videos:
            watch.one_worker()
    return [watch.found[files.video] for files in plan.videos]


class _Watch:
    """Workers that follow one another: what is `left` to do, and what they have `found`."""

    def __init__(self, plan: RunPlan, verb: Verb, observer: RunObserver) -> None:
        self.left = plan
        self.found: dict[Path, Outcome] = {}
        self._verb = verb
        self._observer = observer
        self._handlers: dict[signal.Signals, Any] = {}
        self._worker: int | None = None
        self._stop: int | None = None
        self._is_orphan = False

    def __enter__(self) -> _Watch:
        self._handlers = {number: signal.getsignal(number) for number in STOPPING}
        for number, handler in self._handlers.items():
            if handler != signal.SIG_IGN:
                signal.signal(number, self._forward)
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        """Hand on a signal by which this process is asked to stop."""
        self._stop = number
        if self._worker is not None:
            os.kill(self._worker, CTRL_C if number == signal.SIGINT else number)

    def one_worker(self) -> None:
        """Have a worker do what is left, as far as it comes."""
        opened, end = None, None
        with os.fdopen(self._forked(), "rb") as lines:  # until the worker is gone
            notes = [json.loads(line) for line in lines if line.endswith(b"\n")]  # one that it did not finish is none
        for note in notes:
            match note:
                case {"opens": video}:
                    opened = video
                case {"settled": content}:
                    self.left = replace(self.left, settled=from_plain(Settled, content))
                case {"outcome": content}:
                    self.found[Path(content["video"])] = from_plain(OUTCOMES[self._verb], content)
                case _:
                    end = note
        code = self._waited()
        self.left = self.left.without(self.found)
        if end is not None:
            _raise_again(end)
        else:
            self._lose(None if opened is None else Path(opened), code)

    def _forked(self) -> int:
        """The end of a new worker's pipe. What signals come meanwhile wait until both processes are ready."""
        watcher = os.getpid()
        reader, writer = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, (*STOPPING, CTRL_C, ORPHANED))
        try:
            if self._stop is not None:
                _raise_again({"stopped": _name(self._stop)})
            process = os.fork()
            if not process:
                os.close(reader)
                self._work(watcher, writer)
            self._worker = process
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (*STOPPING, CTRL_C, ORPHANED))
        os.close(writer)
        return reader

    def _work(self, watcher: int, pipe: int) -> Never:
        """All that the worker does, in its process."""
        code = 1
        try:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            # A terminal sends Ctrl-C to both processes; the worker takes it from the watcher, once.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(CTRL_C, signal.default_int_handler)
            signal.signal(ORPHANED, self._orphaned)
            ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, ORPHANED)
            if os.getppid() != watcher:  # it was gone before
                os.kill(os.getpid(), ORPHANED)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (*STOPPING, CTRL_C, ORPHANED))
            end = _end_of(self.left.to_json(), self._verb, self._observer, pipe)
            if not self._is_orphan:
                tell(pipe, end)
            elif "stopped" in end:  # nobody else is there to say it
                print(f"Stopped by {end['stopped']}: the same command goes on from there.", file=sys.stderr)
            code = 0
        except KeyboardInterrupt:
            code = EXIT_INTERRUPTED
        except StopRequest:
            code = EXIT_RESUME
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)  # what libraries do on their way out no longer counts

    def _orphaned(self, _number: int, _frame: FrameType | None) -> None:
        """Stop, as by a scheduler, since the process that watches this one is gone."""
        self._is_orphan = True
        raise StopRequest(signal.SIGTERM.name)

    def _waited(self) -> int:
        """The worker's exit code; negative where a signal ended it."""
        assert self._worker is not None
        process = self._worker
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
        self._worker = None  # first, lest a signal goes to whoever gets its number next
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

    def _lose(self, video: Path | None, code: int) -> None:
        """Leave out the video at which a worker crashed, or say why there will be no other worker."""
        if self._stop is not None:  # end as the worker would have
            _raise_again({"stopped": _name(self._stop)})
        if code >= 0:
            raise SystemExit(code)  # its traceback has been printed
        name = _name(-code)
        if name not in FAULTS:
            raise StopRequest(name)
        if video is None:
            raise EngineError(
                f"the process died by {name} while no video was being read: run 'posecli doctor', or choose "
                "another --engine or --precision"
            )
        words = (
            f"the process that read '{video}' died by {name}, and the video is left out: repair it or encode it again"
        )
        result = VideoResult(video, "failed", message=words, exit_code=VideoError.exit_code)
        if sys.stderr.isatty():
            print(file=sys.stderr)  # the worker's progress bar still has its line
        self._observer.video_finished(result)
        table = next((files.table for files in self.left.videos if files.video == video), video)
        refused = VideoPlan(video, "refuse", table, message=words, exit_code=result.exit_code)
        self.found[video] = refused if self._verb == "decide" else result
        self.left = self.left.without(self.found, lost=[video])


def _end_of(plan: str, verb: Verb, observer: RunObserver, pipe: int) -> Note:
    """Carry out the plan; how that ended."""
    from posecli.analysis.executors.here import here

    try:
        here(RunPlan.from_json(plan), verb, observer, note=lambda note: tell(pipe, note))
    except PoseCliError as error:
        return {"error": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
    except KeyboardInterrupt:
        return {"stopped": signal.SIGINT.name}
    except StopRequest as request:
        return {"stopped": str(request)}
    return {"done": True}


def _raise_again(end: Note) -> None:
    """What ended a worker, if it did not end well."""
    match end:
        case {"error": name, "message": message, "exit_code": code}:
            error = getattr(errors, name, PoseCliError)(message)
            error.exit_code = code
            raise error
        case {"stopped": name}:
            raise KeyboardInterrupt if name == signal.SIGINT.name else StopRequest(name)


def tell(pipe: int, note: Note) -> None:
    """Give the watcher a note."""
    left = memoryview(json.dumps(note).encode() + b"\n")
    try:
        while left:
            left = left[os.write(pipe, left) :]
    except BrokenPipeError:
        raise StopRequest("the end of the process that watches it") from None


def _name(number: int) -> str:
    """What a signal is called; those for programs' own use have numbers only.

    >>> _name(11), _name(40)
    ('SIGSEGV', 'signal 40')
    """
    return signal.Signals(number).name if number in {*signal.Signals} else f"signal {number}"
