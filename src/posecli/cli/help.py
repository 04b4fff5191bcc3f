"""How help is laid out: commands by what people want, and options of long lists by what they are about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import click

#: Commands, by what people want.
COMMAND_SECTIONS = {
    "Find poses and behaviours": ("analyze", "classify", "outpath"),
    "Look at results": ("label", "plot", "verify", "filter", "convert"),
    "Networks": ("model", "train", "distill", "evaluate"),
    "Speed, size and cost": ("recommend", "compress-sweep", "scale-sweep", "benchmark", "estimate", "reencode"),
    "First steps": ("demo", "doctor", "sample"),
}
#: Options by their names in Python; whatever stands in none comes first.
OPTION_SECTIONS = {
    "Which videos": ("recursive", "shard", "dry_run"),
    "Which network": (
        *("model", "shuffle", "snapshot", "trainset_index", "dlc_engine", "detector_snapshot", "statistics", "teacher"),
    ),
    "What the network sees": (
        *("crop", "scale", "window in px", "boxes", "num_outputs", "input_size", "length", "stride", "frame_step"),
    ),
    "Speed": (
        *("within", "batch_size", "precision", "max_shift", "max_change", "quantize", "engine", "threads"),
        *("pipeline", "video_backend", "decoder"),
    ),
    "Encoding": ("crf", "codec", "preset", "pix_fmt", "gop", "keep"),
    "Truth to compare with": ("truth", "truth_key", "truth_scorer", "labels", "pcutoff"),
    "Cost": ("price", "per_hour", "prices", "video_fps", "hours_per_year"),
    "Results": ("out_dir", "overwrite", "csv", "allow_short"),
    "Every command": ("config", "verbose", "quiet", "as_json", "help"),
}
#: Fewer options than this are one list.
LONG = 16


def write_commands(formatter: click.HelpFormatter, commands: Mapping[str, click.Command]) -> None:
    """The list of all commands, each with a whole sentence."""
    for title, names in COMMAND_SECTIONS.items():
        with formatter.section(title):
            formatter.write_dl([(name, commands[name].get_short_help_str(1000)) for name in names])


def write_options(
    formatter: click.HelpFormatter, parameters: Sequence[click.Parameter], context: click.Context
) -> None:
    """The list of a command's options."""
    for title, found in _sections(parameters):
        records = [record for each in found if (record := each.get_help_record(context)) is not None]
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


def _sections(parameters: Sequence[click.Parameter]) -> Iterable[tuple[str, list[click.Option]]]:
    options = [each for each in parameters if isinstance(each, click.Option)]
    if len(options) < LONG:
        return [("Options", options)]
    title_of = {name: title for title, names in OPTION_SECTIONS.items() for name in names}
    order = list(title_of)
    sections: dict[str, list[click.Option]] = {title: [] for title in ("Options", *OPTION_SECTIONS)}
    for each in sorted(options, key=lambda each: order.index(_key(each)) if _key(each) in title_of else -1):
        sections[title_of.get(_key(each), "Options")].append(each)
    return sections.items()


def _key(parameter: click.Option) -> str:
    """What an option is listed by above."""
    if "--help" in parameter.opts:
        return "help"
    # Elsewhere a window is so many frames of a filter.
    return "window in px" if "--window" in parameter.opts and parameter.metavar is not None else str(parameter.name)
