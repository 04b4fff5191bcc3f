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
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

from posecli import errors
from posecli.analysis.executors import OUTCOMES, Outcome, RunObserver, Verb
from posecli.analysis.plan import Forecast, RunPlan, Settled, VideoPlan, from_plain
from posecli.errors import EngineError, PoseCliError, StopRequest, VideoError
from posecli.support.results import VideoResult

Note = dict[str, Any]

#: By which the system ends a process for a fault of its own.
FAULTS = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGSYS", "SIGTRAP")
#: By which a process is asked to stop; a worker is told of Ctrl-C by another one.
STOPPING, CTRL_C = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1), signal.SIGUSR2
#: By which a worker is told that the process that forked it is gone; ``prctl`` has the system send it.
ORPHANED, PARENT_DEATH_SIGNAL = signal.SIGRTMIN, 1
ALL_SIGNALS = (*STOPPING, CTRL_C, ORPHANED)


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
        self._worker: BaseProcess | None = None
        self._stop: str | None = None

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
        """Pass on a signal that asks this process to stop."""
        self._stop = _name(number)
        if self._worker is not None and self._worker.exitcode is None and self._worker.pid is not None:
            os.kill(self._worker.pid, CTRL_C if number == signal.SIGINT else number)

    def one_worker(self) -> None:
        """Let a worker do what is left, as far as it gets."""
        opened, end = None, None
        for note in self._notes():
            match note:
                case {"opens": video}:
                    opened = video
                case {"settled": content}:
                    self.left = replace(self.left, settled=from_plain(Settled, content))
                case {"outcome": content}:
                    self.found[Path(content["video"])] = from_plain(OUTCOMES[self._verb], content)
                case {"foretold": content}:
                    self._observer.foretold(from_plain(Forecast, content))
                case _:
                    end = note
        self.left = self.left.without(self.found)
        if end is not None:
            _raise_again(end)
        else:
            self._lose(None if opened is None else Path(opened))

    def _notes(self) -> list[Note]:
        """Notes of a new worker until it ends. Signals that arrive before both processes are ready wait."""
        context = get_context("fork")
        reader, writer = context.Pipe(duplex=False)
        plan, notes = self.left.to_json(), []
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, ALL_SIGNALS)
        try:
            if self._stop is not None:
                _raise_again({"stopped": self._stop})
            self._worker = context.Process(
                target=_work, args=(plan, self._verb, self._observer, writer, self._handlers)
            )
            self._worker.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ALL_SIGNALS)
        writer.close()
        try:
            while True:
                notes.append(json.loads(reader.recv_bytes()))
        except EOFError:  # one that was not finished is none
            self._worker.join()
        return notes

    def _lose(self, video: Path | None) -> None:
        """Leave out the video at which a worker crashed, or say why there will be no other worker."""
        assert self._worker is not None
        assert self._worker.exitcode is not None
        if self._stop is not None:  # end as the worker would have
            _raise_again({"stopped": self._stop})
        if self._worker.exitcode >= 0:
            raise SystemExit(self._worker.exitcode)  # its traceback has been printed
        name = _name(-self._worker.exitcode)
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
        self.found[video] = result if self._verb == "carry_out" else refused
        self.left = self.left.without(self.found, lost=[video])


def _work(plan: str, verb: Verb, observer: RunObserver, pipe: Connection, handlers: dict[signal.Signals, Any]) -> None:
    """All that a worker does, in its process; signals are blocked at first."""
    is_orphan = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_orphan
        is_orphan = True
        raise StopRequest(signal.SIGTERM.name)  # as by a scheduler

    # A terminal sends Ctrl-C to both processes; the worker takes it from the watcher, once.
    own = {signal.SIGINT: signal.SIG_IGN, CTRL_C: signal.default_int_handler, ORPHANED: stop}
    for number, handler in {**handlers, **own}.items():
        signal.signal(number, handler)
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, ORPHANED)
    if (watcher := parent_process()) is not None and watcher.pid != os.getppid():  # it was gone before
        os.kill(os.getpid(), ORPHANED)
    end = _end_of(plan, verb, observer, pipe)
    with suppress(StopRequest):
        if not is_orphan:
            tell(pipe, end)
            return
    if "stopped" in end:  # nobody else is there to say it
        print(f"Stopped by {end['stopped']}: finished work is kept, and the same command continues.", file=sys.stderr)


def _end_of(plan: str, verb: Verb, observer: RunObserver, pipe: Connection) -> Note:
    """Carry out the plan; how that ended."""
    from posecli.analysis.executors.here import here

    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ALL_SIGNALS)
        here(RunPlan.from_json(plan), verb, observer, note=lambda note: tell(pipe, note))
    except PoseCliError as error:
        return {"error": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
    except KeyboardInterrupt:
        return {"stopped": signal.SIGINT.name}
    except StopRequest as request:
        return {"stopped": str(request)}
    return {"done": True}


def _raise_again(end: Note) -> None:
    """Raise what ended a worker, unless it finished."""
    match end:
        case {"error": name, "message": message, "exit_code": code}:
            error = getattr(errors, name, PoseCliError)(message)
            error.exit_code = code
            raise error
        case {"stopped": name}:
            raise KeyboardInterrupt if name == signal.SIGINT.name else StopRequest(name)


def tell(pipe: Connection, note: Note) -> None:
    """Give the watcher a note."""
    try:
        pipe.send_bytes(json.dumps(note).encode())
    except BrokenPipeError:
        raise StopRequest("the end of the process that watches it") from None


def _name(number: int) -> str:
    """What a signal is called; those for programs' own use have numbers only.

    >>> _name(11), _name(40)
    ('SIGSEGV', 'signal 40')
    """
    return signal.Signals(number).name if number in {*signal.Signals} else f"signal {number}"
