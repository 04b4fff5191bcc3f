"""What the studies in ``benchmarks/results`` say of the papers' experiments, a sentence or two each.

A study is what ``posecli benchmark``, ``compress-sweep`` or ``scale-sweep`` left. Each function returns ``None`` where
the study that it reads was not made yet, or holds nothing of the kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from speed_tables import read_result

from posecli.studies.benchmark.study import counted

#: The speed experiments of both papers.
SPEED_2018, SPEED_2022 = "mathis-warren-2018/results", "govindarajan-2022/results"
#: H.264 at the 2018 paper's qualities, and other codecs, of its kind of video; by whose network looked at it.
COMPRESSION = {"imported": "compression-imported/results", "built-in": "compression-built-in/results"}
CODECS = "compression-codecs/results"
SCALES = {"imported": "scales-imported/results", "built-in": "scales-built-in/results"}
SCENES = ("trail-tracking", "treadmill")

Cell = dict[str, Any]


def one_frame_at_a_time() -> str | None:
    """Speed of the standard method at each width, per number of cores: 2018, figure 1B."""
    cells = cells_of(SPEED_2018, data="trail-tracking", decoder="standard", pipeline="sync", precision="fp32")
    by_cores = [
        f"{counted(cores, 'core')}: {_by_width([cell for cell in cells if cell['cores'] == cores])}"
        for cores in sorted({cell["cores"] for cell in cells})
    ]
    return f"frames/s in fp32, {'; '.join(by_cores)}" if by_cores else None


def double_loop_and_numpy() -> str | None:
    """Speed of two decoders against batch size, at the narrowest frames: 2018, figure 2B."""
    study = cells_of(SPEED_2018, data="trail-tracking", pipeline="sync", precision="fp32")
    if not study:
        return None
    width, cores = min(cell["width"] for cell in study), max(cell["cores"] for cell in study)
    told = []
    for decoder in ("numpy", "double-loop"):
        cells = [cell for cell in study if (cell["width"], cell["cores"], cell["decoder"]) == (width, cores, decoder)]
        cells.sort(key=lambda cell: cell["batch_size"])
        speeds = ", ".join(f"{cell['fps']:.0f} (batch {cell['batch_size']})" for cell in cells)
        told.append(f"{decoder} {speeds}")
    return f"frames/s at {width} px on {counted(cores, 'core')}, fp32: {'; '.join(told)}"


def batches_of(data: str) -> str | None:
    """Best batch size against the standard method, at each width: 2018, figures 4 and 5."""
    study = cells_of(SPEED_2018, data=data, pipeline="sync", precision="fp32")
    if not study:
        return None
    cores = max(cell["cores"] for cell in study)
    told = []
    for width in sorted({cell["width"] for cell in study}):
        cells = [cell for cell in study if cell["width"] == width and cell["cores"] == cores]
        standard = [cell for cell in cells if cell["decoder"] == "standard"]
        batches = [cell for cell in cells if cell["decoder"] == "numpy"]
        if standard and batches:
            best = max(batches, key=lambda cell: cell["fps"])
            gain = best["fps"] / standard[0]["fps"]
            told.append(f"{best['fps']:.3g} at {width} px ({gain:.2f} times the standard method)")
    return f"frames/s on {counted(cores, 'core')}, fp32, best batch: {', '.join(told)}" if told else None


def start_of_a_run() -> str | None:
    """Speed of the whole loop against its steady state, in short runs."""
    cells = cells_of(SPEED_2018)
    if not cells:
        return None
    ratios = sorted(cell["loop_fps"] / cell["fps"] for cell in cells)
    return (
        f"engines are warmed up before the clock runs: with its first batch a run of a second or two is "
        f"{ratios[0]:.2f} to {ratios[-1]:.2f} times as fast as without, median {ratios[len(ratios) // 2]:.2f}"
    )


def who_waits() -> str | None:
    """Share of the time in which the network works, per pipeline: 2022, figure 1."""
    cells = on_all_cores(cells_of(SPEED_2022, data="trail-tracking", precision="fp32"))
    told = []
    for width in sorted({cell["width"] for cell in cells}):
        shares = ", ".join(
            f"{cell['pipeline']} {100 * cell['network_busy']:.0f} %" for cell in cells if cell["width"] == width
        )
        told.append(f"{width} px: {shares}")
    return f"share of the time in which the network works, {'; '.join(told)}" if told else None


def time_against_cores() -> str | None:
    """Hours per hour of video: 2022, figure 2."""
    study = cells_of(SPEED_2022, data="trail-tracking", precision="fp32")
    told = []
    for width in sorted({cell["width"] for cell in study}):
        for pipeline in ("sync", "async"):
            cells = [cell for cell in study if (cell["width"], cell["pipeline"]) == (width, pipeline)]
            cells.sort(key=lambda cell: cell["cores"])
            hours = " and ".join(f"{cell['hours_per_video_hour']:.3g}" for cell in cells)
            told.append(f"{pipeline} {hours} at {width} px")
    cores = sorted({cell["cores"] for cell in study})
    return f"hours per hour of video on {' and '.join(map(str, cores))} cores: {', '.join(told)}" if told else None


def precisions() -> str | None:
    """Gain and shift of each reduced precision: 2022, figure 3."""
    cells = on_all_cores(cells_of(SPEED_2022, data="trail-tracking", pipeline="async"))
    exact = {cell["width"]: cell for cell in cells if cell["precision"] == "fp32"}
    told = [
        f"{cell['precision']} {cell['fps'] / exact[cell['width']]['fps']:.2f} times as fast at {cell['width']} px"
        f"{_moved(cell)}"
        for cell in cells
        if cell["precision"] != "fp32" and cell["width"] in exact
    ]
    return f"against fp32, on a processor without VNNI or bf16: {', '.join(told)}" if told else None


def _moved(cell: Cell) -> str:
    return f" (99 % of points within {cell['shift']['p99_px']:.2f} px)" if cell["shift"] else ""


def cost_per_hour() -> str | None:
    """Cost of an hour of video: 2022, table I."""
    result = read_result(SPEED_2022)
    cells = on_all_cores(cells_of(SPEED_2022, data="trail-tracking"))
    if result is None or not cells:
        return None
    told = [
        f"{cell['width']} px {cell['pipeline']} {cell['precision']} {cell['cost_per_video_hour']:.2f}"
        for cell in cells
        if cell["pipeline"] in {"sync", "async"} and (cell["pipeline"] == "async" or cell["precision"] == "fp32")
    ]
    return f"USD at {result['price']['name']}: {', '.join(told)}"


def compression() -> str | None:
    """What the qualities of H.264 do: 2018, figure 3."""
    return _findings(COMPRESSION, ("times smaller than raw", "itself compressed", "off the truth"))


def median_filter() -> str | None:
    """What a median filter does to the jitter."""
    return _findings(COMPRESSION, ("median filter",))


def scales() -> str | None:
    """Errors of downsampled frames: 2018, figure 1C."""
    told = []
    for name, study in SCALES.items():
        result = read_result(study)
        if result is not None:
            errors = ", ".join(
                f"{row['mean_px']:.2f} px at {row['scale']:g}" for row in _totals(result["rows"]) if row["scale"] != 1
            )
            told.append(f"{name} network, mean over body parts: {errors}")
    return "; ".join(told) or None


def _findings(studies: dict[str, str], words: Sequence[str]) -> str | None:
    """Sentences of the studies in which any of the words occur; what several say alike is said once."""
    told = []
    said: set[str] = set()
    for name, study in studies.items():
        result = read_result(study)
        if result is not None:
            found = [text for text in result["findings"] if any(word in text for word in words) and text not in said]
            said.update(found)
            told.append(f"{name} network, {_frames_words(result['versions'][0])}: {' '.join(found)}")
    return " ".join(told) or None


def _frames_words(version: Cell) -> str:
    """How many frames the network looked at."""
    frames, looked_at = version["frames"], version.get("looked_at", version["frames"])
    return f"{frames:,} frames" if looked_at == frames else f"{looked_at:,} of {frames:,} frames"


def _totals(rows: Sequence[Cell]) -> list[Cell]:
    """Rows over all body parts and videos, unfiltered."""
    return [row for row in rows if row["bodypart"] == "all" and row["filtering"] == "none"]


def cells_of(study: str, **levels: object) -> list[Cell]:
    """Measured conditions of a benchmark at these levels."""
    result = read_result(study)
    cells = [] if result is None else [cell for cell in result["conditions"] if cell["state"] == "done"]
    return [cell for cell in cells if all(cell[name] == level for name, level in levels.items())]


def on_all_cores(cells: list[Cell]) -> list[Cell]:
    """Those on all cores."""
    most = max((cell["cores"] for cell in cells), default=0)
    return [cell for cell in cells if cell["cores"] == most]


def _by_width(cells: list[Cell]) -> str:
    ordered = sorted(cells, key=lambda cell: cell["width"])
    return ", ".join(f"{cell['fps']:.3g} at {cell['width']} px" for cell in ordered)
