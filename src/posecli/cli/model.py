"""``posecli model``: trained networks as relocatable folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli.cli.base import PATH, Command, Output, boxes_option, parse_numbers, project_options
from posecli.errors import UsageError

if TYPE_CHECKING:
    from posecli.engine.facts import NetworkFacts
    from posecli.model.deeplabcut import NetworkChoice
    from posecli.model.folder import AnyFolder


#: What batch normalisation takes, where a network has a choice.
STATISTICS = {
    "frame": "each frame's own statistics, as DeepLabCut with batches of one frame",
    "stored": "the statistics stored in training",
}


@click.group()
def model() -> None:
    """Import trained networks, look at them, make them smaller and faster.

    \b
    Example:
        posecli model import path/to/project/config.yaml -o openfield-model
    """


@model.command("import", cls=Command)
@click.argument("source", type=PATH)
@click.option("-o", "--out", "folder", type=PATH, required=True, help="Folder to make.")
@click.option("--overwrite", is_flag=True, help="Replace a model folder that already exists.")
@project_options
def import_command(source: Path, folder: Path, overwrite: bool, network: NetworkChoice, *, output: Output) -> None:
    """Make a model folder from a network trained in DeepLabCut.

    SOURCE is a project's config.yaml or folder, one folder of its dlc-models or dlc-models-pytorch, an exported model,
    or a snapshot (.pt) beside its pytorch_config.yaml.

    \b
    Examples:
        posecli model import openfield/config.yaml --shuffle 1 -o openfield-model
        posecli model import openfield/config.yaml --snapshot best -o my-model
    """
    from posecli.model.importing import import_model

    imported = import_model(source, folder, network, overwrite=overwrite)
    output.say(f"imported '{source}' to '{folder}'")
    _show(imported, output)


@model.command("import-i3d", cls=Command)
@click.argument("checkpoint", type=PATH)
@click.option("-o", "--out", "folder", type=PATH, required=True, help="Folder to make.")
@click.option(
    "--classes",
    required=True,
    help="Names of the behaviours in the order of the network's outputs, separated by commas; or how many there are.",
)
@click.option("--name", default="imported", help="Goes into the names of result files.")
@click.option("--length", default=64, help="Frames of a chunk.")
@click.option("--stride", default=64, help="Frames from one chunk's start to the next's.")
@click.option("--input-size", default="224", metavar="N|WxH", help="Size of frames, px.")
@click.option("--overwrite", is_flag=True, help="Replace a model folder that already exists.")
def import_i3d_command(checkpoint: Path, folder: Path, overwrite: bool, output: Output, **flags: Any) -> None:
    """Make a model folder for 'posecli classify' from a published I3D checkpoint (TensorFlow, RGB).

    CHECKPOINT is its path without '.index'. Where the number of classes is not that of the checkpoint, the last layer
    is left at zero: all classes are equally likely until the network is trained.

    \b
    Examples:
        posecli model import-i3d kinetics/model.ckpt --classes 400 -o i3d
        posecli model import-i3d mice/model.ckpt --classes eat,groom,rest -o mice
    """
    from posecli.model.description import ClipDescription
    from posecli.model.importing import import_i3d
    from posecli.options import InputSize

    size = InputSize.parse(flags["input_size"])
    description = ClipDescription(
        class_names(flags["classes"]),
        f"I3D_{flags['name']}",
        length=flags["length"],
        stride=flags["stride"],
        input_height=size.height,
        input_width=size.width,
    )
    imported, notes = import_i3d(checkpoint, folder, description, overwrite=overwrite)
    for note in notes:
        output.warn(note)
    output.say(f"imported '{checkpoint}' to '{folder}'")
    _show(imported, output)


@model.command("info", cls=Command)
@click.argument("source", type=PATH)
@click.option(
    "--size", metavar="WxH", help="Size of frames that the work is counted for, px.  [640x480, or the network's own]"
)
@project_options
def info_command(source: Path, size: str | None, network: NetworkChoice, output: Output) -> None:
    """Show what a trained network is and what it asks of a machine, and check its weights.

    SOURCE is a model folder, built-in or built-in-behaviours (the networks that come with posecli), or a network
    trained in DeepLabCut as for 'posecli model import'.

    \b
    Examples:
        posecli model info openfield-model --size 320x240
        posecli model info openfield/config.yaml --shuffle 1
        posecli model info snapshot-best-090.pt
        posecli model info built-in
    """
    from posecli.engine.facts import network_facts
    from posecli.model.folder import has_int8, read_int8_plan
    from posecli.model.importing import open_any_model
    from posecli.options import InputSize

    frames = None if size is None else InputSize.parse(size)
    found = open_any_model(source, network)
    found.weights()
    if has_int8(found):
        read_int8_plan(found)
    _show(found, output, network_facts(found, frames))


@model.command("quantize", cls=Command)
@click.argument("folder", type=PATH)
@click.option(
    "--calibrate",
    type=PATH,
    multiple=True,
    required=True,
    help="Video like those that will be analysed, a folder of them or a pattern; may be given several times.",
)
@click.option("--scales", default="1,0.5,0.25", help="Sizes at which the network will be used.")
@click.option("--frames", default=48, help="Frames to calibrate with, and to judge by.")
@click.option(
    "--max-shift",
    default=1.0,
    help="Largest shift against fp32 at any scale (99th percentile, px of the network's input).",
)
@boxes_option()
@click.option("--chunks", default=16, help="For behaviours: chunks to calibrate with, and to judge by.")
@click.option(
    "--max-change", default=0.05, help="For behaviours: largest change of probabilities against fp32 (95th percentile)."
)
def quantize_command(folder: Path, calibrate: tuple[Path, ...], output: Output, **flags: Any) -> None:
    """Make the int8 version of a model folder, for '--precision int8' and 'auto' of analyze and classify.

    Convolutions that lose accuracy in int8 are found by measuring on the videos' own frames, and keep a wider
    precision. --scales, --frames and --max-shift are for pose networks.

    \b
    Example:
        posecli model quantize my-model --calibrate day1.mp4 --calibrate day2.mp4
    """
    from posecli.model.description import ClipDescription
    from posecli.model.detector import DetectorDescription
    from posecli.model.folder import named_model, read_any_folder
    from posecli.precision.quantize import ClipQuantizeOptions, QuantizeOptions, quantize_model
    from posecli.video.find import find_videos

    for_poses = QuantizeOptions(parse_numbers(flags["scales"]), flags["frames"], flags["max_shift"], flags["boxes"])
    for_behaviours = ClipQuantizeOptions(flags["chunks"], flags["max_change"])
    if named_model(folder) != folder:
        raise UsageError(
            f"'{folder}' has its int8 version: to calibrate it with videos of your own, copy it first with "
            f"'posecli model compact {folder} -o FOLDER'"
        )
    found = read_any_folder(folder)
    if isinstance(found.description, DetectorDescription):
        raise UsageError(f"'{folder}' is a detector, which always computes in fp32: give its pose network's folder")
    calibration = find_videos(calibrate)
    if calibration.passed_over:
        output.say(f"passed over: {calibration.passed_over}")
    options = for_behaviours if isinstance(found.description, ClipDescription) else for_poses
    chosen = quantize_model(found, list(calibration.videos), options, output.say)
    output.say(f"'{folder}' has an int8 version now; {len(chosen.kept)} convolutions are left wider")
    output.result({"left_wider": list(chosen.kept), "figures": [figures.as_dict() for figures in chosen.figures]})


@model.command("compact", cls=Command, config=False)
@click.argument("folder", type=PATH)
@click.option("-o", "--out", "destination", type=PATH, required=True, help="Folder to make.")
@click.option("--overwrite", is_flag=True, help="Replace a model folder that already exists.")
def compact_command(folder: Path, destination: Path, overwrite: bool, output: Output) -> None:
    """Copy a model folder with its kernels rounded to 16 bits: half the size, other weights.

    An int8 version belongs to the weights that it was made for: make the copy's own with 'posecli model quantize'.
    FOLDER may be built-in or built-in-behaviours, the networks that come with posecli.

    \b
    Examples:
        posecli model compact openfield-model -o openfield-small
        posecli model compact built-in -o mouse-from-above
    """
    from posecli.model.folder import named_model, read_any_folder, write_folder

    source = read_any_folder(named_model(folder))
    detector = None if source.detector is None else (source.detector.description, source.detector.weights())
    written = write_folder(
        destination, source.description, source.weights(), overwrite=overwrite, half=True, detector=detector
    )
    output.say(f"wrote '{destination}'")
    _show(written, output)


def class_names(text: str) -> tuple[str, ...]:
    """Names separated by commas, or as many numbered ones.

    >>> class_names("rest, walk"), class_names("2")
    (('rest', 'walk'), ('class1', 'class2'))
    """
    if text.isdecimal():
        return tuple(f"class{number}" for number in range(1, int(text) + 1))
    return tuple(part.strip() for part in text.split(","))


def _show(folder: AnyFolder, output: Output, facts: NetworkFacts | None = None) -> None:
    from dataclasses import asdict

    from posecli.inference.teacher import in_words, rules_of
    from posecli.model.folder import has_int8
    from posecli.model.student import read_student

    description = asdict(folder.description) | {"int8_version": has_int8(folder)}
    if folder.detector is not None:
        description["detector"] = folder.detector.description.net_type
    student = read_student(folder)
    content = {"path": str(folder.path), "identity": folder.identity, **description}
    content |= {} if student is None else {"student": asdict(student)}
    output.result(content | ({} if facts is None else {"network": facts.as_dict()}))
    source = description.pop("source")
    rows = {"folder": folder.path, **_in_words(description), "identity": folder.identity}
    rows |= {} if student is None else {f"student's {name}": line for name, line in student.lines}
    if student is not None and (rules := rules_of(student.doubt)):
        rows["student's teacher asked"] = in_words(rules)
    rows |= {f"source {key}": value for key, value in source.items()}
    rows |= {} if facts is None else _rows(facts)
    width = max(map(len, rows))
    for key, value in rows.items():
        text = ", ".join(map(str, value)) if isinstance(value, tuple) else value
        plain = text if isinstance(text, (str, int, float, Path)) or text is None else "see model.yaml"
        output.say(f"  {key.replace('_', ' '):<{width}}  {plain}")


def _in_words(description: dict[str, Any]) -> dict[str, Any]:
    """A description whose numbers for the preprocessing of frames are one line."""
    if "mean_pixel" not in description:
        return description
    names = ("mean_pixel", "std_pixel", "layout", "top_down")
    mean, std, layout, crop = (description.pop(name, None) for name in names)
    words = f"RGB in 0 to 255, minus {' '.join(f'{value:g}' for value in mean)}"
    if set(std) != {1.0}:
        words += f", divided by {' '.join(f'{value:g}' for value in std)}"
    if crop:
        words = f"crops of {crop['width']}x{crop['height']} px about the animal, {words}"
    heads = layout.get("heads")
    if pad_to := heads.get("pad_to") if isinstance(heads, dict) else None:
        words += f", mirrored at the end until {pad_to} divides each side"
    statistics = {"batch normalisation": STATISTICS[layout["statistics"]]} if "statistics" in layout else {}
    return description | {"preprocessing": words} | statistics


def _rows(facts: NetworkFacts) -> dict[str, str]:
    """Facts for people."""
    item = "a picture" if facts.frames == 1 else f"{facts.frames} frames"
    work = f"{facts.multiply_adds / 1e9:.3g} billion multiply-adds for {item} of {facts.size} px"
    rows = {"parameters": f"{facts.parameters / 1e6:.3g} million", "work": work}
    if facts.detector_parameters:
        rows["detector parameters"] = f"{facts.detector_parameters / 1e6:.3g} million"
        rows["detector work"] = f"{facts.detector_multiply_adds / 1e9:.3g} billion multiply-adds for a picture"
    rows["precisions"] = f"{', '.join(facts.precisions)} on this machine"
    return rows | {f"no {name}": obstacle for name, obstacle in facts.obstacles.items() if obstacle is not None}
