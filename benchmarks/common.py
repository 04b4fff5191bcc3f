"""What the benchmark scripts share: clips of one video at several widths, runs of the real command, result files."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import imageio_ffmpeg

RESULTS = Path(__file__).resolve().parent / "results"
#: Between these, a page of the documentation holds what a script found.
MARKS = ("<!-- outcomes -->", "<!-- end of outcomes -->")


@dataclass(frozen=True)
class Run:
    """One run of ``posecli analyze``.

    Attributes
    ----------
    frames, loop_seconds
        Rows, and the time from the first frame read to the table closed.
    process_seconds
        The whole process, from its start to its end.
    peak_mib
        Its peak resident memory.
    stage_seconds
        How long each stage was busy.
    gate
        What the parity gate measured for the precision that ran; ``None`` for fp32.
    """

    frames: int
    loop_seconds: float
    process_seconds: float
    peak_mib: float
    stage_seconds: Mapping[str, float]
    gate: Mapping[str, Any] | None = None

    @property
    def fps(self) -> float:
        """Frames per second in steady state."""
        return self.frames / self.loop_seconds


def make_clip(video: Path, width: int, frames: int, folder: Path) -> Path:
    """The first frames of a video, from its start again after its end, area-averaged to a width, H.264 at CRF 12."""
    clip = folder / f"{video.stem}-w{width}-{frames}.mp4"
    if not clip.exists():
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-y",
            "-loglevel",
            "error",
            "-stream_loop",
            "-1",
            "-i",
            video,
            "-frames:v",
            frames,
        ]
        command += ["-vf", f"scale={width}:-2:flags=area", "-c:v", "libx264", "-crf", "12", "-pix_fmt", "yuv420p", clip]
        subprocess.run([str(part) for part in command], check=True)
    return clip


def run_network_only(clip: Path, model: Path, settings: Sequence[object], batch: int, seconds: float) -> float:
    """Frames per second of the network alone, in a process of its own."""
    script = Path(__file__).resolve().parent / "network_only.py"
    command = [sys.executable, script, clip, model, "--batchsize", batch, "--seconds", seconds, *settings]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr}")
    return float(json.loads(done.stdout)["fps"])


def run_posecli(clip: Path, model: Path, out_dir: Path, arguments: Sequence[object] = ()) -> Run:
    """Run the installed command in a process of its own."""
    command = [sys.executable, "-m", "posecli", "analyze", clip, "-m", model, "-o", out_dir, "--overwrite", "--json"]
    start = time.perf_counter()
    done, peak = run_measured([str(part) for part in (*command, *arguments)])
    seconds = time.perf_counter() - start
    result = json.loads(done)["results"][0]
    gate = json.loads(Path(result["table"]).with_suffix(".json").read_text())["parity_gate"]
    stage_seconds = result["stages"]["stage_seconds"]
    return Run(result["frames"], result["seconds"], seconds, peak, stage_seconds, gate[-1] if gate else None)


def run_measured(command: list[str]) -> tuple[str, float]:
    """Standard output, and peak memory in MiB of this one process."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        output, errors = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {errors}")
    return output, usage.ru_maxrss / 1024


def machine() -> dict[str, Any]:
    """Hardware and software, as far as a reader of the figures needs them."""
    from importlib.metadata import version

    packages = ("posecli", "numpy", "tensorflow", "keras", "openvino", "opencv-python", "av", "pandas")
    return {
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "date": datetime.now(UTC).date().isoformat(),
    }


def processor_name() -> str:
    """The processor as Linux names it, its family, which such names may hide, and the vector extensions that matter."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set(fields.get("flags", "").split())
    extensions = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_int8") if flag in flags]
    name = fields.get("model name", platform.processor())
    return f"{name} family {fields.get('cpu family', 'unknown')} ({', '.join(extensions)})"


def write_results(name: str, content: Mapping[str, Any], table: str) -> None:
    """Write ``results/<name>.json`` and the same as a table for people, ``results/<name>.md``."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
    (RESULTS / f"{name}.md").write_text(table + "\n")
    print(table)


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same keys as a Markdown table."""
    keys = list(rows[0])
    lines = [f"| {' | '.join(keys)} |", f"|{'---|' * len(keys)}"]
    lines += [f"| {' | '.join(_cell(row[key]) for key in keys)} |" for row in rows]
    return "\n".join(lines)


def write_outcomes(page: Path, columns: str, outcomes: Sequence[Any], line: Callable[..., str], sentence: str) -> None:
    """Rewrite a page between its marks: a table of outcomes with a line per family and one for all, and a sentence."""
    families = dict.fromkeys(outcome.family for outcome in outcomes)
    rows = [line(family, [outcome for outcome in outcomes if outcome.family == family]) for family in families]
    rule = "|---" * (columns.count("|") - 1) + "|"
    before, _, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    text = "\n".join([MARKS[0], columns, rule, *rows, line("all", outcomes), "", sentence, MARKS[1]])
    page.write_text(before + text + after, encoding="utf-8")


def _cell(value: Any) -> str:
    return (
        f"{value:.3g}"
        if isinstance(value, float) and value < 100
        else f"{value:.0f}"
        if isinstance(value, float)
        else str(value)
    )
