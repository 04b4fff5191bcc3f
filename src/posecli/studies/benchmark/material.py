"""What the conditions need: videos, rendered where none are given, and clips of them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from posecli.errors import OutputError
from posecli.studies.benchmark.conditions import DataSet
from posecli.video.encode import EncodeOptions, VideoEncoder, find_ffmpeg

if TYPE_CHECKING:
    from posecli.synthetic.scene import Scene

#: Constant rate factor of clips: what a camera's own H.264 looks like.
CLIP_CRF = 12

Say = Callable[[str], None]


def render_scene(name: str, frames: int, seed: int, folder: Path, say: Say) -> tuple[Scene, Path]:
    """A scene, and its first frames as a video in a folder; a video that is already there is reused."""
    from posecli.synthetic import SceneOptions, open_scene

    scene = open_scene(SceneOptions(scene=name, frames=frames, seed=seed))
    video = folder / f"{name}.mp4"
    if not video.exists():
        say(f"rendering {frames} frames of the {name} scene")
        folder.mkdir(parents=True, exist_ok=True)
        with VideoEncoder(video, scene.width, scene.height, scene.fps, EncodeOptions(crf=CLIP_CRF)) as encoder:
            for index in range(scene.n_frames):
                encoder.write(scene.frame(index).image)
    return scene, video


def make_clip(data: DataSet, width: int | None, frames: int, folder: Path) -> Path:
    """The first frames of a data set's video, averaged to a width, as H.264; a short video is repeated.

    Every frame of the video is one of the clip, whatever its times.

    Raises
    ------
    OutputError
        If ffmpeg cannot make it.
    """
    clip = folder / f"{data.name}-{'own' if width is None else f'w{width}'}-{frames}.mp4"
    if clip.exists():
        return clip
    folder.mkdir(parents=True, exist_ok=True)
    partial = clip.with_name(f"{clip.name}.partial")
    columns, rows = (data.width, data.height) if width is None else (width, data.height_at(width))
    # 4:2:0 needs even sides; a recording may have odd ones.
    filters = f"scale={columns - columns % 2}:{rows - rows % 2}:flags=area,setpts=N/(30*TB)"
    command = [str(find_ffmpeg().path), "-y", "-loglevel", "error", "-stream_loop", "-1"]
    command += ["-i", str(data.video.absolute())]
    command += ["-an", "-frames:v", str(frames), "-vf", filters, "-c:v", "libx264", "-preset", "veryfast"]
    command += ["-crf", str(CLIP_CRF), "-pix_fmt", "yuv420p", "-r", "30", "-f", "mp4", str(partial.absolute())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # a list, no shell
    if done.returncode:
        partial.unlink(missing_ok=True)
        words = done.stderr.strip().splitlines() or ["no word"]
        raise OutputError(f"clip '{clip}' cannot be made (ffmpeg: {words[-1]}): check the video and the disk's space")
    partial.replace(clip)
    return clip
