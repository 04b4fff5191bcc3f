"""What of this machine and installation works, and what to do about the rest: ``posecli doctor``.

Every check stands alone: whatever it raises is its finding. Libraries are imported in processes of their own, since one
that is broken may end the process that imports it.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from posecli import __version__
from posecli.errors import EngineError
from posecli.support.hardware import free_memory, processor, usable_cores

Status = Literal["ok", "note", "fail"]

#: Seconds that a library may take to be imported; TensorFlow from a cold network drive takes many.
PATIENCE = 180.0
WRITTEN_BYTES = 32 << 20
LITTLE_DISK, LITTLE_MEMORY, SLOW_DISK = 2 << 30, 2 << 30, 20 << 20
#: Processor features, and what they are good for.
FEATURES = {
    "avx2": "fp32",
    "avx512f": "fp32, twice as wide",
    "avx512_bf16": "bf16",
    "amx_bf16": "bf16, many times faster",
    "avx_vnni": "int8",
    "avx512_vnni": "int8",
    "amx_int8": "int8, many times faster",
}
#: What a process of its own runs to say how a library is; its last line is JSON: words, and what to do if anything.
IMPORTS = {
    "OpenCV": (
        "import cv2; words = cv2.__version__; "
        "assert 'FFMPEG:                      YES' in cv2.getBuildInformation() or cv2.videoio_registry.getBackends()"
    ),
    "PyAV": "import av; words = f'{av.__version__}, {len(av.codecs_available)} codecs'",
    "HDF5": "import h5py, tables, pandas; words = f'h5py {h5py.__version__}, tables {tables.__version__}, "
    "pandas {pandas.__version__}'",
    "openvino engine": "import openvino as ov; c = ov.Core(); "
    "words = f\"{ov.__version__.partition('-')[0]} on {', '.join(c.available_devices)}; CPU computes in \" + "
    "', '.join(c.get_property('CPU', 'OPTIMIZATION_CAPABILITIES'))",
    "tensorflow engine": 'import tensorflow as tf; words = f"{tf.__version__} on " + '
    "', '.join(d.name for d in tf.config.list_physical_devices())",
}
ADVICE = {
    "OpenCV": "install the system package libgl1, or replace opencv-python by opencv-python-headless; until then "
    "no video can be read",
    "PyAV": "reinstall it with 'pip install --force-reinstall av'; until then no video can be read",
    "HDF5": "reinstall them with 'pip install --force-reinstall h5py tables pandas'; until then no table is written",
    "openvino engine": "reinstall it with 'pip install --force-reinstall openvino', or pass --engine tensorflow",
    "tensorflow engine": "needed for importing DeepLabCut networks, training and --engine tensorflow only; reinstall "
    "it with 'pip install --force-reinstall tensorflow'",
}
#: Without these nothing can be analysed; a lack of the others is noted.
NEEDED = ("OpenCV", "PyAV", "HDF5", "openvino engine")


@dataclass(frozen=True)
class Check:
    """What was found of one thing, and what to do about it, if anything.

    The status is ``ok``; ``note`` (works, with something to know); or ``fail`` (posecli cannot do its work).
    """

    name: str
    status: Status
    found: str
    advice: str = ""


def _noted(name: str, found: str, advice: str) -> Check:
    """A check that is ok unless there is advice."""
    return Check(name, "note" if advice else "ok", found, advice)


@dataclass(frozen=True)
class DoctorReport:
    """All checks, and the exit code that they add up to."""

    checks: tuple[Check, ...]

    @property
    def exit_code(self) -> int:
        """0, or that of `EngineError` if something that is needed does not work."""
        return EngineError.exit_code if any(check.status == "fail" for check in self.checks) else 0

    def as_dict(self) -> dict[str, Any]:
        return {"checks": [asdict(check) for check in self.checks], "exit_code": self.exit_code}


def examine() -> DoctorReport:
    """Check everything; takes as long as the slowest import."""
    with ThreadPoolExecutor() as pool:
        libraries = list(pool.map(_library, IMPORTS))
    own: dict[str, Callable[[], Check]] = {
        "versions": _versions,
        "processor": _processor,
        "threads": _threads,
        "memory": _memory,
        "encoders": _encoders,
        "cache folder": _cache_folder,
        "current folder": lambda: _folder("current folder", Path.cwd()),
    }
    return DoctorReport((*(_isolated(name, check) for name, check in own.items()), *libraries))


def _isolated(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Exception as error:  # whatever is broken is what this command is for
        return Check(name, "fail", _one_line(error) or type(error).__name__, "report this with the rest of the output")


def _one_line(words: object) -> str:
    return " ".join(str(words).split())[:300]


def _library(name: str) -> Check:
    program = f"import json\n{IMPORTS[name]}\nprint(json.dumps(str(words)))"
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "OPENCV_LOG_LEVEL": "SILENT"}
    how: Any = {"capture_output": True, "text": True, "errors": "replace", "timeout": PATIENCE}
    try:
        done = subprocess.run([sys.executable, "-c", program], check=False, env={**os.environ, **quiet}, **how)  # noqa: S603
        if done.returncode == 0:
            return Check(name, "ok", _one_line(json.loads(done.stdout.splitlines()[-1])))
        words = (done.stderr.strip().splitlines() or [f"its process ended with {done.returncode}"])[-1]
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        words = str(error)
    return Check(name, "fail" if name in NEEDED else "note", _one_line(words), ADVICE[name])


def _versions() -> Check:
    return Check("versions", "ok", f"posecli {__version__}, Python {platform.python_version()}, {platform.platform()}")


def _processor() -> Check:
    _, flags = processor()
    if not flags:
        return Check("processor", "note", f"{platform.machine()}: this system does not tell its features")
    runs = [f"{name} ({use})" for name, use in FEATURES.items() if name in flags]
    advice = "" if any("bf16" in name for name in runs) else "bf16 cannot run here; --precision auto knows"
    if "avx2" not in flags:
        advice = "without AVX2 networks are slow: use a processor of the last ten years"
    return _noted("processor", ", ".join(runs) or "no AVX2", advice)


def _threads() -> Check:
    cores, usable = os.cpu_count() or 1, usable_cores()
    named = ("SLURM_CPUS_PER_TASK", "SLURM_JOB_ID", "OMP_NUM_THREADS")
    limits = "".join(f", {name}={os.environ[name]}" for name in named if name in os.environ)
    advice = (
        "a container, job or affinity leaves this process fewer cores: ask for more there" if usable < cores else ""
    )
    return _noted("threads", f"{usable} of {cores} cores{limits}", advice)


def _memory() -> Check:
    free = free_memory()
    advice = "choose a smaller --batchsize or --scale, or close other programs" if free < LITTLE_MEMORY else ""
    return _noted("memory", f"{free / 2**30:.1f} GiB free", advice)


def _encoders() -> Check:
    from posecli.studies.sweep.versions import encoders
    from posecli.video.encode import CODECS, find_ffmpeg

    ffmpeg = find_ffmpeg()
    there = encoders(ffmpeg.path)
    lacking = ", ".join(name for name in CODECS if name not in there)
    advice = f"it lacks {lacking}: set POSECLI_FFMPEG to one that has them, if you need them" if lacking else ""
    found = ", ".join(name for name in CODECS if name in there)
    return _noted("encoders", f"ffmpeg {ffmpeg.version}: {found}", advice)


def _cache_folder() -> Check:
    from posecli.model.importing import cache_directory

    return _folder("cache folder", cache_directory())


def _folder(name: str, folder: Path) -> Check:
    """Free space and speed of the disk; a folder that does not exist yet is judged by its parent."""
    place = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    try:
        speed = _write_speed(place)
    except OSError as error:
        words = f"'{folder}' cannot be written to ({error.strerror or error})"
        return _noted(name, words, "give results another folder with --out-dir, the cache with POSECLI_CACHE_DIR")
    free = shutil.disk_usage(place).free
    found = f"'{folder}': {free / 2**30:.1f} GiB free, {speed / 2**20:.0f} MiB/s written"
    advice = {
        "free some space: a table of a million frames and 20 body parts takes 0.5 GiB, while it is made 1 GiB": (
            free < LITTLE_DISK
        ),
        "a slow disk: write results to a local one with --out-dir": speed < SLOW_DISK,
    }
    return _noted(name, found, "; ".join(words for words, needed in advice.items() if needed))


def _write_speed(folder: Path) -> float:
    """Bytes per second that reach the disk."""
    block = os.urandom(1 << 20)
    with tempfile.TemporaryFile(dir=folder) as stream:
        start = time.perf_counter()
        for _ in range(WRITTEN_BYTES >> 20):
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
        return WRITTEN_BYTES / max(time.perf_counter() - start, 1e-6)
