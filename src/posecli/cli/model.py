"""``posecli model``: trained networks as relocatable folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from posecli.cli.base import Command, Output, make_output, output_options

if TYPE_CHECKING:
    from posecli.model.folder import ModelFolder

AnyCallback = TypeVar("AnyCallback", bound=Callable[..., Any])


def choice_options(function: AnyCallback) -> AnyCallback:
    """Add the options that choose among the networks of a DeepLabCut project."""
    for option in (
        click.option("--trainset-index", type=int, default=0, help="Place in the project's TrainingFraction.  [0]"),
        click.option(
            "--snapshot", type=int, help="Training iteration of the snapshot.  [what config.yaml says, else the last]"
        ),
        click.option("--shuffle", type=int, default=1, help="Shuffle of the DeepLabCut project.  [1]"),
    ):
        function = option(function)
    return function


@click.group()
def model() -> None:
    """Import trained networks, and look at them."""


@model.command("import", cls=Command)
@click.argument("source", type=click.Path(path_type=Path))
@click.option("-o", "--out", "folder", type=click.Path(path_type=Path), required=True, help="Folder to make.")
@click.option("--overwrite", is_flag=True, help="Replace a model folder that is there already.")
@choice_options
@output_options
def import_command(
    source: Path,
    folder: Path,
    overwrite: bool,
    shuffle: int,
    snapshot: int | None,
    trainset_index: int,
    *,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    r"""Make a model folder from a network trained in DeepLabCut.

    SOURCE is a project's config.yaml or folder, one folder of its dlc-models, or an exported model.

    \b
    Example:
        posecli model import openfield/config.yaml --shuffle 1 -o openfield-model
    """
    output = make_output(as_json, quiet, verbose)
    from posecli.model.deeplabcut import Choice
    from posecli.model.importing import import_model

    imported = import_model(source, folder, Choice(shuffle, trainset_index, snapshot), overwrite=overwrite)
    output.say(f"imported '{source}' to '{folder}'")
    _show(imported, output)


@model.command("info", cls=Command)
@click.argument("folder", type=click.Path(path_type=Path))
@output_options
def info_command(folder: Path, as_json: bool, quiet: bool, verbose: bool) -> None:
    r"""Show what a model folder holds, and check its weights.

    \b
    Example:
        posecli model info openfield-model
    """
    output = make_output(as_json, quiet, verbose)
    from posecli.model.folder import read_model_folder

    found = read_model_folder(folder)
    found.weights()
    _show(found, output)


def _show(folder: ModelFolder, output: Output) -> None:
    from dataclasses import asdict

    description = asdict(folder.description)
    output.result({"path": str(folder.path), "identity": folder.identity, **description})
    source = description.pop("source")
    rows = {
        "folder": folder.path,
        **description,
        "identity": folder.identity,
        **{f"source {k}": v for k, v in source.items()},
    }
    width = max(len(key) for key in rows)
    for key, value in rows.items():
        text = ", ".join(str(item) for item in value) if isinstance(value, tuple) else value
        output.say(f"  {key.replace('_', ' '):<{width}}  {text}")
