"""``posecli convert``, ``filter``, ``label``, ``plot`` and ``verify``: what is done with pose tables."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli.cli.base import PATH, Command, Output, aligned, table_choice_options
from posecli.errors import UsageError
from posecli.options import TableChoice

if TYPE_CHECKING:
    from posecli.tables.filtering import FilteredTable, FilterMethod

#: As `posecli.tables.convert.FORMATS`, which imports NumPy.
FORMATS = ("csv", "parquet", "nwb")


@click.command(cls=Command)
@click.argument("tables", nargs=-1, required=True, type=PATH)
@click.option("--to", type=click.Choice(FORMATS), required=True, help="Format of the new files.")
@click.option("--tidy", is_flag=True, help="One row per frame and body part, for csv and parquet.")
@click.option("--video", type=PATH, help="Take the frames' times from this video.  [the table's own]")
@click.option("--fps", type=float, help="Frames per second, if neither table nor video tells the times.")
@click.option("--session-start", help="When the recording began, for nwb: 2026-05-17T09:30:00+02:00.")
@click.option("-o", "--out-dir", type=PATH, help="Folder for the results.  [beside each table]")
@table_choice_options("each table")
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
def convert(
    tables: tuple[Path, ...], session_start: str | None, out_dir: Path | None, output: Output, **flags: Any
) -> None:
    """Write pose TABLES in another format, with the frames' times.

    parquet and nwb need optional libraries: pip install "posecli[parquet]" or "posecli[nwb]".

    \b
    Examples:
        posecli convert videoDLC_x.h5 --to csv -o text
        posecli convert poses/*.h5 --to parquet --tidy -o tidy
        posecli convert poses.h5 --to nwb --session-start 2026-05-17T09:30+02:00
    """
    from posecli.tables.convert import ConvertOptions, convert_table

    overwrite = flags.pop("overwrite")
    options = ConvertOptions(session_start=_moment(session_start), **flags)
    if options.video is not None and len(tables) > 1:
        raise UsageError(f"--video tells the times of one table, not of {len(tables)}: convert them one by one")
    results = []
    for table in tables:
        done = convert_table(table, options, out_dir, overwrite=overwrite)
        times = f", times from the {done.times}" if done.times else ""
        output.say(f"{done.path}: {done.rows} frames{times}")
        results.append(done)
    output.result({"to": options.to, "tidy": options.tidy, "results": [done.as_dict() for done in results]})


def _moment(text: str | None) -> datetime | None:
    """A point in time, in the machine's time zone unless it names one."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"'{text}' is not a date and time ({error}): give one as 2026-05-17T09:30:00+02:00") from error


@click.command("filter", cls=Command)
@click.argument("tables", nargs=-1, required=True, type=PATH)
@click.option(
    "--method",
    type=click.Choice(("median", "savgol", "kalman")),
    default="median",
    help="median is DeepLabCut's own, savgol fits polynomials, kalman follows the velocity.",
)
@click.option("--window", default=5, help="Odd number of frames, for median and savgol.")
@click.option("--order", default=2, help="Degree of the polynomial, for savgol.")
@click.option("--noise", default=1.0, help="Error of found points in px, for kalman.")
@click.option("--push", default=1.0, help="Change of velocity per frame in px/frame, for kalman.")
@click.option(
    "--pcutoff", type=float, help="Likelihood below which a point counts as a gap.  [every known point counts]"
)
@click.option("--fill-gaps", "fill", default=0, help="Longest gap to fill, in frames; longer ones are NaN.")
@click.option(
    "-o", "--out-dir", type=PATH, help="Folder for the results.  [beside each table, where DeepLabCut looks for them]"
)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@click.option("--csv", is_flag=True, help="Write each table as CSV too.")
@table_choice_options("each table")
def filter_command(tables: tuple[Path, ...], output: Output, **flags: Any) -> None:
    """Smooth pose TABLES over time.

    Each becomes a new table whose name ends in _filtered; the raw one is never altered.

    \b
    Examples:
        posecli filter videoDLC_x.h5 -o filtered
        posecli filter poses/*.h5 --method savgol --window 9 -o filtered
    """
    from posecli.tables.filtering import FilterOptions, filter_table

    how = {name: flags.pop(name) for name in ("out_dir", "overwrite", "csv", "choice")}
    options = FilterOptions(_method(**flags), flags["pcutoff"], flags["fill"])
    results: list[FilteredTable] = []
    for table in tables:
        done = filter_table(table, options, **how)
        output.say(
            f"{done.path}: {done.rows} rows, {flags['method']}; known points moved by a mean of {done.moved:.2f} px, "
            f"{done.gaps} are not known"
        )
        results.append(done)
    beside = [done for done in results if done.path.parent.resolve() == done.source.parent.resolve()]
    if beside:
        output.warn(
            f"Warning: '{beside[0].path.parent}' now holds two tables of one video: tools that read every table in a "
            "folder (keypoint-moseq does) will take both; give --out-dir a folder of its own to keep them apart"
        )
    output.result({"options": options.as_dict() | flags, "results": [done.as_dict() for done in results]})


def _method(method: str, window: int, order: int, noise: float, push: float, **_: Any) -> FilterMethod:
    """The filter, of all its flags; those of others are checked too, as far as they can be."""
    from posecli.tables.filtering import Kalman, Median, SavitzkyGolay

    others: dict[str, FilterMethod] = {"median": Median(window), "kalman": Kalman(noise, push)}
    return others[method] if method in others else SavitzkyGolay(window, order)


@click.command(cls=Command)
@click.argument("video", type=PATH)
@click.argument("table", required=False, type=PATH)
@click.option("--compare", type=PATH, help="A second table of the video, shown on the right.")
@table_choice_options()
@table_choice_options("--compare", "compare-")
@click.option("-o", "--out", type=PATH, help="Video to make.  [<table>_labeled.mp4 at the video]")
@click.option("--pcutoff", type=float, help="Likelihood below which a point is not drawn.  [the model's own, else 0.6]")
@click.option("--trails", "trail", default=0, help="Draw the path of the last N frames.")
@click.option("--skeleton", help="Lines: pairs as snout-leftear,snout-rightear, or a DeepLabCut config.yaml.")
@click.option("--dot-radius", type=float, help="Radius of points, px of the new video.  [by the frame's size]")
@click.option("--start", default=0, help="First frame to show.")
@click.option("--end", type=int, help="Frame before which to stop.  [the end of the video]")
@click.option("--scale", default=1.0, help="Resize factor, up to 8.")
@click.option("--no-legend", is_flag=True, help="Leave out the band that names the body parts.")
@click.option("--crf", type=float, default=23, help="Quality of H.264: 0 is best, 51 worst.")
@click.option("--overwrite", is_flag=True, help="Replace a video that is there already.")
def label(
    video: Path,
    table: Path | None,
    compare: Path | None,
    choice: TableChoice,
    compare_choice: TableChoice,
    out: Path | None,
    output: Output,
    **flags: Any,
) -> None:
    """Draw a pose TABLE into its VIDEO.

    Without TABLE the one beside the video is used. The new video has the frames of the old one, each at its own time,
    as H.264 that browsers play.

    \b
    Examples:
        posecli label video.mp4
        posecli label video.mp4 videoDLC_x.h5 --trails 30 --start 300 --end 600
        posecli label video.mp4 rawDLC_x.h5 --compare smooth.h5 -o both.mp4
    """
    from posecli.cli.progress import frame_progress
    from posecli.plots.labeled_video import LabelOptions, plan_labels, read_skeleton, write_labels
    from posecli.support.files import refuse_existing
    from posecli.tables.poses import find_table

    if compare is None and compare_choice != TableChoice(option="compare-"):
        raise UsageError("--compare-key and --compare-scorer belong to --compare: name the second table too")
    overwrite, legend, skeleton = flags.pop("overwrite"), not flags.pop("no_legend"), flags.pop("skeleton")
    options = LabelOptions(legend=legend, skeleton=read_skeleton(skeleton) if skeleton else (), **flags)
    first = table or find_table(video)
    tables = [first] if compare is None else [first, compare]
    job = plan_labels(video, tables, options, [choice, compare_choice][: len(tables)])
    target = out or job.default_out
    refuse_existing(target, overwrite=overwrite, instead="name with -o")
    start = time.monotonic()
    with frame_progress(output, video.name, len(job.frames)) as progress:
        frames = write_labels(job, target, overwrite=overwrite, progress=progress)
    seconds = time.monotonic() - start
    cutoffs = [job.cutoff_of(poses) for poses in job.tables]
    drawn = " and ".join(f"'{poses.path.name}'" for poses in job.tables)
    likely = " and ".join(f"{value:g}" for value in dict.fromkeys(cutoffs))
    output.say(
        f"{target}: {frames} frames in {seconds:.1f} s, {frames / seconds:.0f} fps; "
        f"points of {drawn} with a likelihood of {likely} or more"
    )
    missing = [job.info.n_frames - len(poses) for poses in job.tables]
    for poses, count in zip(job.tables, missing, strict=True):
        if count:
            output.say(f"{count} of the video's {job.info.n_frames} frames have no row in '{poses.path.name}'")
    output.result(
        {
            "video": str(video),
            "tables": [str(poses.path) for poses in job.tables],
            "labelled_video": str(target),
            "frames": frames,
            "start": job.frames.start,
            "end": job.frames.stop,
            "frames_without_row": missing,
            "pcutoffs": cutoffs,
            "bodyparts": list(job.tables[0].names),
            "seconds": seconds,
            "frames_per_second": frames / seconds,
        }
    )


@click.command(cls=Command)
@click.argument("table", type=PATH)
@click.option("-o", "--out-dir", type=PATH, help="Folder for the figures.  [<table>-plots beside it]")
@click.option("--pcutoff", type=float, help="Likelihood below which a point is unseen.  [the model's own, else 0.6]")
@click.option("--bodyparts", help="Body parts to plot, as snout,tailbase.  [all]")
@click.option("--video", type=PATH, help="The table's video; its first frame is drawn behind the paths.")
@click.option("--jumps", default=20, help="Number of largest jumps to list.")
@table_choice_options()
@click.option("--overwrite", is_flag=True, help="Replace figures that are there already.")
def plot(table: Path, out_dir: Path | None, bodyparts: str | None, output: Output, **flags: Any) -> None:
    """Draw a pose TABLE: paths, trajectories, likelihoods, jumps and occupancy.

    Each figure becomes a PNG and an SVG file; summary.json has the same in numbers, and the largest jumps.

    \b
    Examples:
        posecli plot videoDLC_x.h5
        posecli plot videoDLC_x.h5 --video video.mp4 --bodyparts snout,tailbase
    """
    from posecli.plots.poses import PlotOptions, plot_table

    parts = tuple(name.strip() for name in bodyparts.split(",") if name.strip()) if bodyparts else ()
    overwrite = flags.pop("overwrite")
    options = PlotOptions(bodyparts=parts, **flags)
    result = plot_table(
        table, out_dir, options, overwrite=overwrite, progress=lambda name: output.progress(f"drawing {name}")
    )
    rows = [["body part", f"p>={result.pcutoff:g}", "median p", "way px", "step p99 px", "largest px"]]
    for name, facts in result.bodyparts.items():
        figures = [facts[key] for key in ("median_likelihood", "way_px", "step_p99_px", "step_largest_px")]
        rows.append([name, f"{100 * facts['share_seen']:.1f} %", *(_number(value) for value in figures)])
    output.say(*aligned(rows))
    if result.jumps:
        most = result.jumps[0]
        output.say(f"largest jump: {most.bodypart} by {most.px:.1f} px, frame {most.frame - 1} to {most.frame}")
    output.say(f"{len(result.files)} files in '{result.files[0].parent}'")
    output.result(result.as_dict())


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


@click.command(cls=Command, config=False)
@click.argument("path", metavar="TABLE|FOLDER", type=PATH)
@click.option("--recursive", is_flag=True, help="Look into subfolders too.")
@click.option("--video", type=PATH, help="The table's video: compare the time of every frame, and compute rows again.")
@click.option("-m", "--model", type=PATH, help="With --video: the table's model.  [the manifest's]")
@click.option("--teacher", type=PATH, help="With --video: the teacher of a student.  [the manifest's]")
@click.option("--rows", type=click.IntRange(min=1), default=64, help="With --video: rows that are computed.")
@click.pass_context
def verify(
    ctx: click.Context, /, path: Path, recursive: bool, video: Path | None, output: Output, **flags: Any
) -> None:
    """Check a pose table, or all in a folder, against manifest and video.

    Rows and their count, columns, number type, times, likelihoods, bad frames, the video's fingerprint, and files that
    an unfinished run left. With --video also the time of every frame, rows that stand still though the pictures do
    not, and what the network says now of frames all over the video. Nothing is changed. Ends with exit code 7 if a
    table cannot be trusted.

    \b
    Examples:
        posecli verify videoDLC_resnet50_openfieldOct30shuffle1_4000.h5
        posecli verify poses --recursive --json
        posecli verify videoDLC_x.h5 --video video.mp4
    """
    from posecli.analysis.verify import Recomputing
    from posecli.analysis.verify import verify as verify_tables
    from posecli.cli.progress import frame_progress
    from posecli.video.probe import probe

    for name in ("model", "teacher"):
        if video is None and flags[name] is not None:
            raise UsageError(f"--{name} goes with --video: name the video whose rows shall be computed again")
    if video is None:
        report = verify_tables(path, recursive=recursive)
    else:  # it is read twice: once for the times, once for the rows
        wanted = Recomputing(video, **flags)
        with frame_progress(output, video.name, 2 * probe(video).expected_frames) as progress:
            report = verify_tables(path, recursive=recursive, recomputing=wanted, progress=progress)
    for finding in report.findings:
        tell = output.warn if finding.severity == "error" else output.say
        tell(f"{finding.severity}: {finding.file}: {finding.words}")
    wrong = {finding.file for finding in report.findings if finding.severity == "error"}
    count = len(report.tables)
    output.say(f"{count} {'table' if count == 1 else 'tables'}: {count - len(wrong)} sound, {len(wrong)} not")
    output.result(report.as_dict())
    ctx.exit(report.exit_code)
