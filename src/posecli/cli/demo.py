"""``posecli demo``: the whole way once, on a rendered mouse."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from posecli.cli.base import PATH, Command, Output, config_option, output_options


@click.command(cls=Command)
@click.option(
    "-o",
    "--out-dir",
    "--out",
    "folder",
    type=PATH,
    default=Path("posecli-demo"),
    help="Folder for everything that is made.",
)
@click.option("--frames", default=120, help="Length of the rendered video.")
@click.option("--overwrite", is_flag=True, help="Replace what an earlier demonstration left there.")
@config_option
@output_options
def demo(folder: Path, frames: int, overwrite: bool, output: Output) -> None:
    """Render a mouse, find it with the built-in network, and compare with the truth.

    \b
    Example:
        posecli demo --out-dir first-look
    """
    from posecli.cli.progress import AnalysisProgress
    from posecli.studies.demo import run_demo

    result = run_demo(folder, frames, overwrite=overwrite, observer=AnalysisProgress(output))
    for sentence in result.sentences():
        output.say(sentence)
    output.result(
        {
            "video": str(result.video),
            "truth": str(result.truth),
            "labelled_video": str(result.labeled),
            "plot": str(result.plot),
            "analysis": result.analysis.as_dict(),
            "errors": asdict(result.errors),
            "seconds": result.seconds,
        }
    )
