"""What is made before a run, where the run has no version of the model that is as fast as it could be."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import numpy as np

from posecli.analysis.executors import RunObserver
from posecli.analysis.kinds import Analysis
from posecli.analysis.lock import HeldError, Lock, held
from posecli.analysis.plan import RunPlan, VideoFiles, plain
from posecli.engine import Shape
from posecli.errors import EngineError, PoseCliError
from posecli.inference.batching import is_out_of_memory
from posecli.model.folder import has_int8, int8_was_refused, write_int8_refusal
from posecli.precision.first_use import Reckoning, WorkAhead, pace, reckon
from posecli.precision.gate import SAMPLE_VIDEOS, Opens
from posecli.precision.quantize import expected_bytes, quantize_model
from posecli.support.hardware import free_memory, processor
from posecli.video.find import evenly_chosen
from posecli.video.probe import VideoInfo, probe

#: While one process makes an int8 version, in the model's folder.
LOCK_FILE = "int8.lock"
#: Seconds between two looks at whether another process is done.
WAIT_SECONDS = 1.0
BY_HAND = "'posecli model quantize' tries again"


@dataclass(frozen=True)
class Int8Intent:
    """That an int8 version would be made, of which videos, and why that pays."""

    videos: tuple[Path, ...]
    shape: Shape  # of what the network sees at once in this run
    pass_work: float  # multiply-adds for that
    needed_bytes: float  # of memory
    reckoning: Reckoning

    def check_memory(self) -> None:
        """Refuse to begin what this process has no memory for: the system would end it, and not say why."""
        if self.needed_bytes > (free := free_memory()):
            raise MemoryError(f"it takes about {self.needed_bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free")

    def passes(self, work: float) -> float:
        """Multiply-adds of fp32 as passes of the network."""
        return work / self.pass_work


class Preparation:
    """Makes the int8 version of a run's model, if it has none and that pays."""

    def __init__(self, plan: RunPlan, kind: Analysis, observer: RunObserver, opens: Opens) -> None:
        self._plan = plan
        self._kind = kind
        self._observer = observer
        self._opens = opens
        self._folder = kind.model.folder
        self._settings = plain(kind.quantize_options())

    def intent(self) -> Int8Intent | None:
        """What would be made; ``None`` if nothing."""
        if not self._may_be_made():
            return None
        if (here := pace(processor()[1])) is None or (found := self._videos_ahead()) is None:
            return None
        videos, shape, work = found
        network, options = self._folder.description.network, self._kind.quantize_options()
        reckoning = reckon(network, work, here, options)
        needed = expected_bytes(network, work.calibrated_with, options)
        return Int8Intent(videos, shape, _multiply_adds(network, shape), needed, reckoning) if reckoning.pays else None

    def make(self) -> None:
        """Make it, or wait for the process that is at it; a run goes on without one that cannot be made."""
        if (intent := self.intent()) is None:
            return
        waits = False
        while self._may_be_made():
            try:
                with held(self._folder.path / LOCK_FILE) as lock:
                    if self._may_be_made():  # whoever held it a moment ago may have made it
                        self._quantize(intent, lock)
                return
            except HeldError as other:
                if not waits:
                    self._observer.preparing(f"waiting for the int8 version that {other} is making")
                waits = True
                sleep(WAIT_SECONDS)
            except PoseCliError as error:
                self._observer.preparing(f"no int8 version is made: {error}")
                return

    def _may_be_made(self) -> bool:
        options, folder = self._kind.options, self._folder
        return (
            options.quantize
            and (options.engine.engine, options.engine.precision) == ("openvino", "auto")
            and not has_int8(folder)
            and os.access(folder.path, os.W_OK | os.X_OK)
            and not int8_was_refused(folder, self._settings)
        )

    def _videos_ahead(self) -> tuple[tuple[Path, ...], Shape, WorkAhead] | None:
        """Some of those that have neither rows nor a table, the shape of their items, and the work on all of them.

        A few are probed, and stand for all; of these, those are chosen whose items have the shape that most have.
        """
        scorer, options = self._folder.description.scorer, self._plan.options
        planned = [VideoFiles.plan(video, scorer, options) for video in self._plan.sampled]
        new = [files.video for files in planned if options.overwrite or not _is_begun(files)]
        groups: dict[Shape, list[VideoInfo]] = {}
        for path in evenly_chosen(new, SAMPLE_VIDEOS):
            self._opens(path)
            with suppress(PoseCliError):  # which is reported when its turn comes
                info = probe(path)
                groups.setdefault(self._kind.network_shape(info), []).append(info)
        self._opens(None)
        if not groups:
            return None
        network, detector = self._folder.description.network, self._folder.detector
        work = {
            shape: sum(map(self._kind.items, infos)) * _multiply_adds(network, shape) for shape, infos in groups.items()
        }
        shape = max(work, key=lambda each: work[each])
        all_of_them = len(new) / sum(map(len, groups.values()))
        ahead = WorkAhead(
            all_of_them * sum(work.values()),
            self._kind.may_have_windows,
            self._kind.calibration_shape(groups[shape][0])[:-1],
            0.0 if detector is None else _multiply_adds(detector.description.network, (480, 640, 3)),
        )
        return tuple(info.path for info in groups[shape]), shape, ahead

    def _quantize(self, intent: Int8Intent, lock: Lock) -> None:
        def tell(step: str) -> None:
            lock.renew()
            self._observer.preparing(step)

        options, threads = self._kind.quantize_options(), self._kind.options.engine.threads
        try:
            intent.check_memory()
            self._observer.int8_begins(*self._seconds(intent))
            chosen = quantize_model(self._folder, intent.videos, options, tell, opens=self._opens, threads=threads)
        except EngineError as error:
            reason = str(error).partition(": ")[0]
            write_int8_refusal(self._folder, reason, self._settings, intent.videos)
            tell(f"{reason}: the run goes on without an int8 version, and later ones do; {BY_HAND}")
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            tell(f"no int8 version is made, for want of memory: {error}")
        else:
            tell(f"'{self._folder.path}' has an int8 version now; {len(chosen.kept)} convolutions are left wider")

    def _seconds(self, intent: Int8Intent) -> tuple[float, float, float]:
        """How long the work ahead would take without int8, what int8 saves, and what making it takes, measured once."""
        engine = self._kind.model.with_precision("fp32").engine_for(intent.shape)
        items = np.zeros((engine.info.threads, *intent.shape), np.uint8)
        engine.warm_up(len(items))
        start = perf_counter()
        engine(items)
        second = (perf_counter() - start) / len(items)
        ahead, saved, cost = (second * intent.passes(work) for work in astuple(intent.reckoning))
        return ahead, saved, cost


def _is_begun(files: VideoFiles) -> bool:
    return files.table.exists() or files.journal.exists()


def _multiply_adds(network: Any, shape: Shape) -> float:
    return float(sum(network.multiplications(shape[:-1]).values()))
