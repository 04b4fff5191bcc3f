"""``posecli demo``: the whole way once, on a rendered mouse."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from posecli.cli.base import Command, config_option, make_output, output_options


@click.command(cls=Command)
@click.option(
    "-o",
    "--out-dir",
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("posecli-demo"),
    show_default=True,
    help="Folder for everything that is made.",
)
@click.option("--frames", type=int, default=120, show_default=True, help="Length of the rendered video.")
@click.option("--overwrite", is_flag=True, help="Replace what an earlier demonstration left there.")
@config_option
@output_options
def demo(folder: Path, frames: int, overwrite: bool, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Render a mouse, find it with the built-in network, and compare with the truth.

    \b
    Example:
        posecli demo --out-dir first-look
    """
    output = make_output(as_json, quiet, verbose)
    from posecli.cli.progress import AnalysisProgress
    from posecli.studies.demo import run_demo

    result = run_demo(folder, frames, overwrite=overwrite, observer=AnalysisProgress(output))
    for sentence in result.sentences():
        output.say(sentence)
    output.result(
        {
            "video": str(result.video),
            "truth": str(result.truth),
            "labelled_video": str(result.labelled),
            "plot": str(result.plot),
            "analysis": result.analysis.as_dict(),
            "errors": asdict(result.errors),
            "seconds": result.seconds,
        }
    )
