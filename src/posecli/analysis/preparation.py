"""What is made before a run, where the run has no version of the model that is as fast as it could be."""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import sleep

from posecli.analysis.ahead import Ahead, look_ahead, pass_seconds
from posecli.analysis.executors import RunObserver
from posecli.analysis.kinds import Analysis
from posecli.analysis.lock import HeldError, Lock, held
from posecli.analysis.plan import RunPlan, VideoFiles, plain
from posecli.errors import EngineError, PoseCliError
from posecli.inference.batching import is_out_of_memory
from posecli.model.folder import has_int8, int8_was_refused, write_int8_refusal
from posecli.precision.gate import Opens
from posecli.precision.quantize import expected_bytes, quantize_model
from posecli.precision.reckoning import Reckoning, pace, reckon_int8
from posecli.support.hardware import free_memory, processor

#: While one process makes an int8 version, in the model's folder.
LOCK_FILE = "int8.lock"
#: Seconds between two looks at whether another process is done.
WAIT_SECONDS = 1.0
BY_HAND = "'posecli model quantize' tries again"


@dataclass(frozen=True)
class Int8Intent:
    """That an int8 version would be made, of which videos, and why that pays."""

    of: Ahead
    needed_bytes: float  # of memory
    reckoning: Reckoning

    def check_memory(self) -> None:
        """Refuse to begin what this process has no memory for: the system would end it, and not say why."""
        if self.needed_bytes > (free := free_memory()):
            raise MemoryError(f"it takes about {self.needed_bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free")

    def passes(self, work: float) -> float:
        """Multiply-adds of fp32 as passes of the network."""
        return work / self.of.work.each


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
        if (here := pace(processor()[1])) is None or (found := self._new_videos()) is None:
            return None
        network, options = self._folder.description.network, self._kind.quantize_options()
        reckoning = reckon_int8(network, found.work, here, options)
        needed = expected_bytes(network, found.work.calibrated_with, options)
        return Int8Intent(found, needed, reckoning) if reckoning.pays else None

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

    def _new_videos(self) -> Ahead | None:
        """Some of those that have neither rows nor a table, and the work on all of them."""
        scorer, options = self._folder.description.scorer, self._plan.options
        planned = [VideoFiles.plan(video, scorer, options) for video in self._plan.sampled]
        new = [files.video for files in planned if options.overwrite or not _is_begun(files)]
        return look_ahead(self._kind, new, self._opens)

    def _quantize(self, intent: Int8Intent, lock: Lock) -> None:
        def tell(step: str) -> None:
            lock.renew()
            self._observer.preparing(step)

        options, threads = self._kind.quantize_options(), self._kind.options.engine.threads
        try:
            intent.check_memory()
            self._observer.int8_begins(*self._seconds(intent))
            chosen = quantize_model(self._folder, intent.of.videos, options, tell, opens=self._opens, threads=threads)
        except EngineError as error:
            reason = str(error).partition(": ")[0]
            write_int8_refusal(self._folder, reason, self._settings, intent.of.videos)
            tell(f"{reason}: the run goes on without an int8 version, and later ones do; {BY_HAND}")
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            tell(f"no int8 version is made, for want of memory: {error}")
        else:
            tell(f"'{self._folder.path}' has an int8 version now; {len(chosen.kept)} convolutions are left wider")

    def _seconds(self, intent: Int8Intent) -> tuple[float, float, float]:
        """How long the work ahead would take without int8, what int8 saves, and what making it takes, measured once."""
        second = pass_seconds(self._kind.model, intent.of.shape)
        found = intent.reckoning
        ahead, saved, cost = (second * intent.passes(work) for work in (found.ahead, found.saved, found.cost))
        return ahead, saved, cost


def _is_begun(files: VideoFiles) -> bool:
    return files.table.exists() or files.journal.exists()
