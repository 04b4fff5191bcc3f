"""The generated parts of ``papers.md``: each experiment of the two papers, and what was measured of it here.

An experiment whose result is not in ``benchmarks/results`` says so. To add one, write a function that reads the
result and says it in a sentence, and name it in its row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import clip_studies
import paper_studies
from speed_tables import RESULTS, markdown, read_result, versus_rows

NOT_YET = "not measured yet"


@dataclass(frozen=True)
class Experiment:
    """A row: what the paper did and found, the command that repeats it, and what says our figure."""

    where: str
    found: str
    command: str
    ours: Callable[[], str | None] = lambda: None


def all_of(*tellers: Callable[[], str | None]) -> str | None:
    """What each of them says."""
    return "; ".join(text for tell in tellers if (text := tell())) or None


def both_networks(pose: Callable[[], str | None], clip: Callable[[], str | None]) -> str | None:
    """What was measured with the pose network, and with an I3D."""
    told = {"pose network": pose(), "I3D": clip()}
    return ". ".join(f"**{name}**: {text}" for name, text in told.items() if text) or None


def decoders_agree() -> str | None:
    """How far the tables of the three decoders lie from DeepLabCut's own."""
    result = read_result("parity-deeplabcut")
    if result is None:
        return None
    rows = result["rows"]
    largest = max(float(row["largest shift px"]) for row in rows)
    decoders = sorted({row["decoder"] for row in rows})
    return f"{', '.join(decoders)}: no point further than {largest:.6f} px from DeepLabCut's own table"


def against_the_original() -> str | None:
    """Speed against DeepLabCut's loop of today, on the same machine."""
    rows = versus_rows()
    if not rows:
        return None
    width, batch = min((row["width"], row["batch"]) for row in rows)
    same = [row for row in rows if (row["width"], row["batch"]) == (width, batch)]
    same.sort(key=lambda row: row["ratio median"])
    ratios = ", ".join(f"{row['ratio median']:.1f} ({row['setting']})" for row in same)
    return f"relative to DeepLabCut's loop of today, {width} px, batch {batch}: {ratios}"


def behaviours_told_apart() -> str | None:
    """Balanced accuracy of the small network for the rendered home cage, in each precision."""
    result = read_result("behaviour-accuracy")
    if result is None:
        return None
    rows = result["rows"]
    found = ", ".join(f"{row['network']} {row['balanced accuracy of chunks, %']:.1f} %" for row in rows)
    return f"a network of {result['model']['width']:g} of the width, rendered videos: {found}"


def precision_gain() -> str | None:
    """What int8 gains over fp32, and how far it moves points."""
    rows = versus_rows()
    fp32 = {(row["width"], row["batch"]): row["posecli fps"] for row in rows if row["setting"] == "openvino fp32"}
    int8 = {(row["width"], row["batch"]): row for row in rows if row["setting"] == "openvino int8"}
    both = sorted(set(fp32) & set(int8))
    if not both:
        return None
    gains = [int8[key]["posecli fps"] / fp32[key] for key in both]
    shift = max(int8[key]["p99 shift px"] for key in both)
    return (
        f"pose network on a CPU: int8 {min(gains):.1f} to {max(gains):.1f} times as fast as fp32; 99 % of the points "
        f"move by {shift:.2f} px at most"
    )


MATHIS_WARREN = (
    Experiment(
        "Fig. 1B: speed against frame width, one frame at a time, five machines",
        "small frames are much faster; GPUs 15 to 60 times one CPU core; more cores help little",
        "`posecli benchmark`",
        paper_studies.one_frame_at_a_time,
    ),
    Experiment(
        "Fig. 1C: downsampled frames, error against the full frame",
        "little, until about 30 % of the size, where it reaches some 4 px",
        "`posecli scale-sweep`",
        paper_studies.scales,
    ),
    Experiment(
        "Fig. 2A: double loop and NumPy find the same track",
        "they match",
        "`posecli analyze --decoder`",
        decoders_agree,
    ),
    Experiment(
        "Fig. 2B: speed against batch size at 80x60",
        "up to 450 frames/s on a GPU; NumPy faster than the double loop throughout",
        "`posecli benchmark`",
        paper_studies.double_loop_and_numpy,
    ),
    Experiment(
        "Fig. 4: trail-tracking, width, batch and machine",
        "batches gain 50 to 500 %; GPUs 10 to 100 times a six-core CPU; in the abstract, up to 1,200 frames/s",
        "`posecli benchmark`",
        lambda: all_of(lambda: paper_studies.batches_of("trail-tracking"), against_the_original),
    ),
    Experiment(
        "Fig. 5: the same on the treadmill, 14 body parts",
        "up to tenfold; 225 frames/s at 278x278 px on a GTX 1080 Ti (abstract)",
        "`posecli benchmark`",
        lambda: paper_studies.batches_of("treadmill"),
    ),
    Experiment(
        "not shown: speed ramps up at the start of a video",
        "seen, and taken for a reason why the longer video gains more",
        "`posecli benchmark`, figure 7",
        paper_studies.start_of_a_run,
    ),
    Experiment(
        "Fig. 3: 13 qualities of H.264, from 2.1 GB to 150 kB",
        "below 1 px a thousandfold smaller; about 8 px at the worst, which jitters; people differ by about 3 px",
        "`posecli compress-sweep`",
        paper_studies.compression,
    ),
    Experiment(
        "proposed: a median filter against the jitter",
        "not done",
        "`posecli compress-sweep`, columns 'filtered'; `posecli filter`",
        paper_studies.median_filter,
    ),
)

GOVINDARAJAN = (
    Experiment(
        "Fig. 1: who waits for whom in three pipelines",
        "synchronous reading leaves the GPU idle; asynchronous fetching fills the gaps",
        "`posecli benchmark`, figure 4; with `--network i3d`, figure 1",
        lambda: both_networks(paper_studies.who_waits, clip_studies.who_waits),
    ),
    Experiment(
        "Fig. 2: run time against cores, and of loading alone",
        "synchronous is indifferent to cores; asynchronous saves about 50 % and levels off",
        "`posecli benchmark`, figure 5; with `--network i3d`, figure 2",
        lambda: both_networks(paper_studies.time_against_cores, clip_studies.time_against_cores),
    ),
    Experiment(
        "Fig. 3: FP16 and INT8 by TensorRT, batch 4, V100",
        "faster still; accuracy within 2 % of the original",
        "`posecli benchmark`, figure 6; with `--network i3d`, figure 3",
        lambda: all_of(precision_gain, paper_studies.precisions, lambda: "an I3D is in the table below"),
    ),
    Experiment(
        "Table I: cost per hour of video",
        "0.93 USD synchronous, 0.60 asynchronous, 0.57 FP16, 0.46 INT8",
        "`posecli benchmark`, `posecli estimate`",
        lambda: all_of(
            lambda: both_networks(paper_studies.cost_per_hour, clip_studies.cost_per_hour),
            lambda: "the paper has [two readings](benchmark.md#cost)",
        ),
    ),
    Experiment(
        "I3D: behaviour of mice in clips of 64 frames, nine classes",
        "81.5 % balanced accuracy",
        "[`posecli classify`](classify.md) on a rendered cage; real recordings with labels were not at hand",
        behaviours_told_apart,
    ),
)


#: Figures of studies: folder and file, and what they show.
FIGURES_2018 = {
    "mathis-warren-2018/1-speed-against-width": "Fig. 1B: one frame at a time, fp32, one core and two.",
    "mathis-warren-2018/2-decoders-against-batch-size": "Fig. 2: two decoders find the same track; speed by batch "
    "size, dots are single repeats.",
    "mathis-warren-2018/3-speed-against-width-and-batch-size": "Fig. 4 and 5: width, batch size, and the gain over the "
    "standard method.",
    "mathis-warren-2018/7-ramp-up": "Speed during a run.",
    "scales-imported/scale-error-speed": "Fig. 1C: the network imported from DeepLabCut.",
    "scales-built-in/scale-error-speed": "Fig. 1C: the built-in network.",
    "compression-imported/error-bit-rate": "Fig. 3C: error against bit rate, the network imported from DeepLabCut.",
    "compression-built-in/error-bit-rate": "Fig. 3C: the built-in network.",
    "compression-imported/trajectories": "Fig. 3B: x along time in every version.",
    "compression-imported/median-filter": "What a median filter repairs.",
    "compression-synthetic/first-frames": "Fig. 3A: first frames, of the rendered scene, built-in network.",
    "compression-synthetic/truth": "Not in the paper: error against the true points, of the rendered scene.",
    "compression-codecs/codecs": "Not in the paper: other codecs.",
}
FIGURES_2022 = {
    "govindarajan-2022/4-timelines": "Fig. 1: which stage ran when, on which thread.",
    "govindarajan-2022/5-run-time-against-cores": "Fig. 2: run time of an hour of video against cores.",
    "govindarajan-2022/6-run-time-and-cost": "Fig. 3 and Table I: run time and cost of an hour of video.",
    "govindarajan-2022-i3d/1-timelines": "Fig. 1 with an I3D of the published size: the network takes most time.",
    "govindarajan-2022-i3d-small/1-timelines": "Fig. 1 with the small built-in I3D: reading takes most time.",
    "govindarajan-2022-i3d/2-run-time-against-cores": "Fig. 2 with an I3D, and loading alone.",
    "govindarajan-2022-i3d/3-speed-against-precision": "Fig. 3 with an I3D.",
    "govindarajan-2022-i3d/4-run-time-and-cost": "Table I with an I3D.",
}


def papers_blocks() -> dict[str, str]:
    """Blocks of the page, by name."""
    return {
        "mathis-warren-2018": _table(MATHIS_WARREN),
        "figures-2018": _figures(FIGURES_2018),
        "govindarajan-2022": _table(GOVINDARAJAN),
        "i3d-steps": clip_studies.steps_table() or NOT_YET,
        "figures-2022": _figures(FIGURES_2022),
    }


def _figures(wanted: Mapping[str, str]) -> str:
    """Those that were made."""
    shown = [(RESULTS / f"{name}.png", caption) for name, caption in wanted.items()]
    lines = [
        f"![{caption}](../benchmarks/results/{path.parent.name}/{path.name})\n\n*{caption}*"
        for path, caption in shown
        if path.exists()
    ]
    return "\n\n".join(lines) or "None was made yet."


def _table(experiments: tuple[Experiment, ...]) -> str:
    rows = [[item.where, item.found, item.command, item.ours() or NOT_YET] for item in experiments]
    return markdown([["experiment", "what the paper found", "repeated with", "here"], *rows])
