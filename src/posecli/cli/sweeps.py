"""``posecli compress-sweep``, ``scale-sweep``, ``recommend`` and ``reencode``: which compression and scale to use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from posecli.cli.base import (
    PATH,
    Command,
    Decorator,
    Output,
    aligned,
    all_of,
    batch_size_option,
    boxes_option,
    crop_option,
    engine_options,
    number_or,
    parse_numbers,
    pipeline_option,
    pixels,
    project_options,
    table_choice_options,
)
from posecli.errors import UsageError
from posecli.options import AnalyzeOptions, Crop
from posecli.studies.sweep.options import (
    DEFAULT_CRF,
    DEFAULT_SCALES,
    SCENE_FRAMES,
    SCENE_SEED,
    Progress,
    SweepObserver,
    SweepOptions,
)

if TYPE_CHECKING:
    from posecli.studies.sweep.versions import Version

DEFAULTS = SweepOptions()


def sweep_of(flags: dict[str, Any]) -> tuple[SweepOptions, dict[str, Any]]:
    """The flags of `sweep_options` as options, and those that say where a sweep goes and of which network it is."""
    where = {name: flags.pop(name) for name in ("folder", "overwrite", "network")}
    crop, tolerance = flags.pop("crop"), pixels("tolerance")(flags.pop("tolerance"))
    analysis = AnalyzeOptions(
        **{name: flags.pop(name) for name in ("engine", "batch_size", "pipeline", "boxes")},
        crop=None if crop is None else Crop.parse(crop),
    )
    return SweepOptions(analysis=analysis, tolerance=tolerance, **flags), where


def sweep_options(folder: str) -> Decorator:
    """All that sweeps share."""
    return all_of(
        # How the frames of every version are analysed.
        click.option(
            "-m",
            "--model",
            type=PATH,
            help="Model folder or DeepLabCut project.  [the built-in network: a mouse from above]",
        ),
        click.option(
            "--frames", type=int, help=f"Use the first N frames.  [all; {SCENE_FRAMES} of the rendered scene]"
        ),
        click.option(
            "--sample",
            type=int,
            help="Look at about N of these frames only, in stretches of a second from all over each video; versions "
            "are encoded whole.  [all]",
        ),
        batch_size_option("Frames per call of the network.", DEFAULTS.batch_size, auto=False),
        crop_option,
        boxes_option(),
        engine_options(", chosen on the originals and the same for all versions."),
        pipeline_option("How reading, inference and decoding overlap."),
        # What the versions are compared by.
        click.option("--truth", type=PATH, help="Pose table with the true points of the one video."),
        table_choice_options("--truth", "truth-"),
        click.option(
            "--labels", type=PATH, help="DeepLabCut project whose labelled frames of these videos count as truth."
        ),
        click.option("--pcutoff", type=float, help="Least likelihood of a point that counts.  [the model's own]"),
        click.option(
            "--tolerance",
            default=f"{DEFAULTS.tolerance:g}px",
            help="Largest mean error of a body part that is still fine; people who label differ by 3 px.",
        ),
        click.option(
            "--max-lost",
            default=DEFAULTS.max_lost,
            help="Largest share of a body part's points that may fall below the cut-off.",
        ),
        click.option("--window", default=DEFAULTS.window, help="Frames of the median filter."),
        click.option("--resamples", default=DEFAULTS.resamples, help="Resamples of the bootstrap."),
        click.option("--seed", default=SCENE_SEED, help="Seed of the bootstrap and of the rendered scene."),
        click.option(
            "--hours-per-year", default=DEFAULTS.hours_per_year, help="Hours of video a year, to state savings for."
        ),
        click.option("--overwrite", is_flag=True, help="Start over where another sweep is."),
        project_options,
        click.option(
            *("-o", "--out-dir", "folder"),
            type=PATH,
            default=Path(folder),
            help="Folder for everything; the same command continues what is there.",
        ),
    )


class SweepProgress(SweepObserver):
    """Prints how a sweep goes, on standard error."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def say(self, line: str) -> None:
        self._output.progress(line)

    @contextmanager
    def work(self, name: str, frames: int) -> Iterator[Progress]:
        from posecli.cli.progress import frame_progress

        with frame_progress(self._output, name, frames) as progress:
            yield progress


def run_and_show(kind: str, flags: dict[str, Any], versions: Sequence[Version], output: Output) -> None:
    """Run a sweep, write its report, and print the table, what came out, and what to use."""
    from posecli.studies.sweep.recommendation import recommend
    from posecli.studies.sweep.report import results, version_table, write_report
    from posecli.studies.sweep.runner import run_sweep

    sweep, where = sweep_of(flags)
    study = run_sweep(kind, sweep, versions, observer=SweepProgress(output), **where)
    report, recommendation = write_report(study), recommend(study)
    content = results(study, recommendation)
    del content["rows"]
    output.say(*aligned(version_table(study)), "", *content["findings"], *recommendation.reasons)
    output.say(*(f"  {line}" for line in recommendation.commands))
    output.say(f"report: {report.page}")
    output.result({"folder": str(report.folder), "report": str(report.page), **content})


@click.command("compress-sweep", cls=Command)
@click.argument("videos", nargs=-1, type=PATH)
@click.option(
    "--crf",
    default=DEFAULT_CRF,
    help="Constant rate factors; different ones per codec as in 'libx264:20,30;libsvtav1:35,50'.",
)
@click.option(
    "--codec",
    default="libx264",
    help="Codecs for a list without their names: any of libx264,libx265,libsvtav1,libvpx-vp9.",
)
@click.option("--preset", help="The encoder's preset, its word for speed against size; per codec as with --crf.")
@click.option("--pix-fmt", help="Pixel format of the encoded videos.  [yuv420p]")
@click.option("--gop", type=int, help="Largest number of frames between key frames.  [the encoder's]")
@click.option("--keep", is_flag=True, help="Keep the encoded videos.")
@sweep_options("posecli-compress-sweep")
def compress_sweep(
    crf: str, codec: str, preset: str | None, pix_fmt: str | None, gop: int | None, output: Output, **flags: Any
) -> None:
    """Measure how far compression moves poses, and say which to use.

    Encodes VIDEOS at every quality, checks that no frame was lost or shifted, finds the body parts in every version
    with the same network, and compares. Without a video a mouse is rendered, whose true poses are known.
    After a kill the same command resumes.

    \b
    Examples:
        posecli compress-sweep --crf 0,10,20,30
        posecli compress-sweep day1.mp4 -m my-model --crf 15,25,35,45
        posecli compress-sweep day1.mp4 --config configs/compress-sweep-paper.yaml
    """
    from posecli.studies.sweep.versions import encoded_versions, parse_crf, parse_presets

    values = parse_crf(crf, [name.strip() for name in codec.split(",")])
    versions = encoded_versions(values, parse_presets(preset, values), pix_fmt, gop)
    run_and_show("compress-sweep", flags, versions, output)


@click.command("scale-sweep", cls=Command)
@click.argument("videos", nargs=-1, type=PATH)
@click.option(
    "--scales",
    default=",".join(f"{scale:g}" for scale in DEFAULT_SCALES),
    help="Factors by which frames are resized for the network.",
)
@sweep_options("posecli-scale-sweep")
def scale_sweep(scales: str, output: Output, **flags: Any) -> None:
    """Measure how far downsampling moves poses and how much faster it is, and say which scale to use.

    Finds the body parts in VIDEOS at every scale with the same network and compares, in px of the full frame. Without a
    video a mouse is rendered, whose true poses are known. After a kill the same command resumes.

    \b
    Examples:
        posecli scale-sweep --scales 1,0.5,0.25,0.125
        posecli scale-sweep day1.mp4 --model openfield-model --tolerance 2px
    """
    from posecli.studies.sweep.versions import scaled_versions

    run_and_show("scale-sweep", flags, scaled_versions(parse_numbers(scales)), output)


@click.command(cls=Command)
@click.argument("videos", nargs=-1, required=True, type=PATH)
@click.option(
    *("-m", "--model"),
    type=PATH,
    help="Model folder or DeepLabCut project.  [the built-in network: a mouse from above]",
)
@click.option(
    "--within",
    default="1px",
    metavar="PX",
    help="Largest shift against fp32 on the full frame (99th percentile) at which a setting passes.",
)
@click.option("--scale", default=1.0, help="Try this scale only, if it is another than 1.")
@click.option("--window", **number_or("auto", "off"), help="Try windows of this size only, or none.  [auto]")
@crop_option
@boxes_option()
@engine_options("; auto tries all that this machine has.")
@click.option(
    "--sample",
    type=int,
    help="Frames to look at, from all over the videos.  [four times as many as analyze --within: 128 of 640x480 px]",
)
@click.option("--crf", default="20,30,40", help="CRF values of H.264 to try; 'none' leaves compression out.")
@click.option("--frames", default=SCENE_FRAMES, help="Encode the first N frames of each video.")
@click.option("--overwrite", is_flag=True, help="Start over where another search is.")
@project_options
@click.option(
    *("-o", "--out-dir", "folder"), type=PATH, default=Path("posecli-recommendation"), help="Folder for everything."
)
@click.pass_context
def recommend(ctx: click.Context, /, within: str, crop: str | None, crf: str, output: Output, **flags: Any) -> None:
    """Show every setting that 'posecli analyze --within' would try on VIDEOS, and say which is the fastest.

    Tries scales, precisions and windows against fp32 on the full frame, as a run would, but on more frames; then how
    far the video can be compressed with what was chosen. The command that it prints holds the setting to the limit on
    the videos it is given. The exit code is 9 if nothing can be recommended.

    \b
    Examples:
        posecli recommend day1.mp4 --model openfield-model
        posecli recommend day1.mp4 --within 0.5px --window off --crf none
    """
    from posecli.studies.sweep.search import SearchOptions, search
    from posecli.studies.sweep.versions import parse_crf

    analysis = AnalyzeOptions(
        **{name: flags.pop(name) for name in ("engine", "scale", "window", "boxes")},
        within=pixels("within")(within),
        crop=None if crop is None else Crop.parse(crop),
    )
    where = {name: flags.pop(name) for name in ("folder", "overwrite", "network")}
    qualities = () if crf == "none" else parse_crf(crf, ["libx264"])["libx264"]
    found = search(SearchOptions(analysis=analysis, crf=qualities, **flags), observer=SweepProgress(output), **where)
    output.say(*aligned(found.table), "", f"{found.verdict}.", *found.reasons)
    output.say(*(f"  {line}" for line in (found.analysis, found.acquisition) if line))
    if found.figure is not None:
        output.say(f"frontier: {found.figure}")
    output.result(found.as_dict())
    ctx.exit(found.exit_code)


@click.command(cls=Command)
@click.argument("videos", nargs=-1, required=True, type=PATH)
@click.option(
    "--recommendation", type=PATH, help="Folder of a compress-sweep (or its results.json): encode as it recommends."
)
@click.option("--crf", type=float, help="Constant rate factor, where no recommendation is given.")
@click.option("--codec", default="libx264", help="libx264, libx265, libsvtav1 or libvpx-vp9.")
@click.option("--preset", help="The encoder's preset, its word for speed against size.")
@click.option("--pix-fmt", help="Pixel format of the new videos.  [yuv420p]")
@click.option("--gop", type=int, help="Most frames from one key frame to the next.  [the encoder's]")
@click.option("-o", "--out-dir", type=PATH, default=Path("reencoded"), help="Folder for the new videos.")
@click.option("--overwrite", is_flag=True, help="Replace new videos that are there already; originals never are.")
@click.pass_context
def reencode(
    ctx: click.Context,
    /,
    videos: tuple[Path, ...],
    recommendation: Path | None,
    crf: float | None,
    out_dir: Path,
    output: Output,
    **flags: Any,
) -> None:
    """Re-encode VIDEOS, and check that every frame is where it was.

    Originals are only read: whether they are still needed is for you to decide. A new video gets its name only when
    count, times and pictures of all its frames match.

    \b
    Examples:
        posecli reencode day1/*.avi --recommendation day1-sweep -o day1-small
        posecli reencode video.avi --crf 25 -o small
    """
    from posecli.studies.sweep.reencode import recommended_encoding
    from posecli.studies.sweep.reencode import reencode as reencode_videos
    from posecli.studies.sweep.versions import encoded_versions

    if (recommendation is None) == (crf is None):
        raise UsageError("either --recommendation or --crf says how to encode: give one of them")
    if recommendation is not None:
        options = recommended_encoding(recommendation)
    else:
        codec, preset = flags["codec"], flags["preset"]
        presets = {} if preset is None else {codec: preset}
        version = encoded_versions({codec: [cast("float", crf)]}, presets, flags["pix_fmt"], flags["gop"])[-1]
        assert version.encode is not None
        options = version.encode
        if version.note:
            output.progress(version.note)
    results = reencode_videos(videos, options, out_dir, SweepProgress(output), overwrite=flags["overwrite"])
    done = sum(result.state == "done" for result in results)
    failed = sum(result.state == "failed" for result in results)
    output.say(f"{done} encoded, {len(results) - done - failed} made before, {failed} failed, in '{out_dir}'")
    exit_code = max(result.exit_code for result in results)
    output.result({"results": [result.as_dict() for result in results], "exit_code": exit_code})
    ctx.exit(exit_code)
