"""``posecli demo`` and ``sample``: rendered videos whose true poses and behaviours are known."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from posecli.cli.base import PATH, Command, Output
from posecli.errors import UsageError
from posecli.synthetic.options import ALL_SCENES, SceneOptions

PLAIN = SceneOptions()


@click.command(cls=Command)
@click.option("--scene", type=click.Choice(ALL_SCENES), default=PLAIN.scene, help="Scene to render.")
@click.option("-o", "--out", type=PATH, help="Video to make.  [<scene>.mp4]")
@click.option("--frames", type=int, help="Number of frames.  [2330; treadmill 10000; home-cage 5400]")
@click.option("--width", type=int, help="Frame width in px; the animal grows with the frame.  [640; treadmill 554]")
@click.option("--height", type=int, help="Frame height in px.  [480; treadmill 554]")
@click.option("--fps", type=float, help="Frames per second.  [30; treadmill 150]")
@click.option("--noise", default=PLAIN.noise, help="Factor for the sensor noise; 0 for none.")
@click.option(
    "--occlusion", default=PLAIN.occlusion, help="Share of frames in which something hides a part of the animal."
)
@click.option(
    "--seed", default=PLAIN.seed, help="Seed for animal, place, light and movement; equal seeds give equal frames."
)
@click.option(
    "--crf",
    default="18",
    help="Quality of the H.264 video: 0 (best) to 51, or 'lossless' (about twenty times the size).",
)
@click.option("--overwrite", is_flag=True, help="Replace a video and its truth that are there already.")
def sample(out: Path | None, crf: str, overwrite: bool, output: Output, **scene: object) -> None:
    """Render a video of a mouse, with its true poses beside it as a pose table.

    trail-tracking is a mouse on an open field, from above; treadmill is one that runs in place, from the side and from
    below; home-cage is one in its cage, from the side, of nine behaviours, which are written beside the video too, as
    labelled intervals.

    \b
    Examples:
        posecli sample --frames 300 -o mouse.mp4
        posecli sample --scene treadmill --seed 7 --crf lossless -o run.mp4
        posecli sample --scene home-cage -o cage.mp4
    """
    options = SceneOptions(**scene)  # type: ignore[arg-type]  # click has checked the types
    path = out or Path(f"{options.scene}.mp4")
    from posecli.cli.progress import frame_progress
    from posecli.synthetic.sample import write_sample
    from posecli.video.encode import EncodeOptions, find_ffmpeg

    encode = EncodeOptions(crf=parse_crf(crf), preset="veryfast")
    ffmpeg = find_ffmpeg()
    with frame_progress(output, path.name, options.n_frames) as progress:
        files = write_sample(options, path, encode, overwrite=overwrite, progress=progress)
    width, height = options.size
    quality = "lossless" if encode.crf is None else f"CRF {encode.crf:g}"
    output.say(
        f"{files.video}: {options.n_frames} frames of {width}x{height} px, {options.scene}, seed {options.seed}, "
        f"{encode.codec} {quality} (ffmpeg {ffmpeg.version})"
    )
    output.say(f"{files.truth}: the true poses")
    if files.behaviours is not None:
        output.say(f"{files.behaviours}: the true behaviours")
    output.result(
        {
            "video": str(files.video),
            "truth": str(files.truth),
            "behaviours": None if files.behaviours is None else str(files.behaviours),
            "scorer": files.scorer,
            "scene": options.scene,
            "seed": options.seed,
            "frames": options.n_frames,
            "width": width,
            "height": height,
            "fps": options.frame_rate,
            "crf": encode.crf,
        }
    )


def parse_crf(text: str) -> float | None:
    """A CRF as typed; ``None`` is lossless.

    >>> parse_crf("23"), parse_crf("lossless")
    (23.0, None)
    """
    if text == "lossless":
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"CRF '{text}' is not a number: give 0 to 51, or lossless") from None


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
def demo(folder: Path, frames: int, overwrite: bool, output: Output) -> None:
    """Render a mouse, find it with the built-in network, and compare with the truth.

    \b
    Example:
        posecli demo --out-dir first-look
    """
    from posecli.cli.progress import AnalysisProgress
    from posecli.studies.demo import run_demo

    result = run_demo(folder, frames, overwrite=overwrite, observer=AnalysisProgress(output))
    output.say(*result.sentences())
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
