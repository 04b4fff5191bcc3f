"""Windows against whole frames where a scene is hard on purpose: rendered video, whose truth is known.

    python benchmarks/hard_scenes.py FOLDER [--scenes calm jumps ...] [--precision int8] [--scale 0.5] [--window 128]

Each scene is rendered at 640x480, encoded in H.264 at CRF 12, and analysed with the built-in network: as whole frames,
in windows of one size, which may move points as far as they will, and with ``--window auto``, which decides for each
scene. Videos, their truth and tables stay in the folder, and what is there is not made again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, machine, markdown_table, write_results
from parity_deeplabcut import poses

import posecli
from posecli.options import FIXED_PRECISIONS, MAX_SHIFT_PX
from posecli.precision.gate import DEFAULT_CUTOFF, GateFigures
from posecli.precision.windows import WindowFigures
from posecli.synthetic import SceneFrame, SceneOptions
from posecli.synthetic.canvas import Canvas, ellipse
from posecli.synthetic.sample import truth_row
from posecli.synthetic.trail import Mouse, Posture, TrailTracking, paint_mouse
from posecli.video.encode import EncodeOptions, VideoEncoder

NAME = "hard-scenes"
WIDTH, HEIGHT, FPS = 640, 480, 30.0
#: As many as the search for windows asks for, and a few.
FRAMES = 520
#: Lets windows move points as far as they will.
ANY_SHIFT = 10_000.0
#: px: a point so far away from where the whole frame has it is lost.
LOST = 20.0
BATCH = 32
#: Of errors and shifts.
QUANTILES = {"median": 0.5, "p95": 0.95, "p99": 0.99}
CUTOFF = DEFAULT_CUTOFF  # the built-in network names no other
READING = (
    "errors and shifts in px. Errors are those of all points that can be seen, whatever their likelihood; 'worse by' "
    "is how far the windows' quantile that is worst is above that of whole frames. A point is sure if the whole frame "
    f"gives it {CUTOFF} or more; it is lost if windows give it less, or put it more than {LOST:g} px away. Work is "
    "what is left of the pixels that the network looks at."
)


def opened(frames: int, seed: int, **options: Any) -> TrailTracking:
    """A scene in which nothing is hidden by chance."""
    return TrailTracking(SceneOptions(frames=frames, seed=seed, fps=FPS, occlusion=0.0, **options))


class Placed(TrailTracking):
    """An animal that is elsewhere than its walk has it: `place` makes the posture of a frame from the walk's."""

    place: Callable[[int, Posture], Posture]

    def mouse(self, index: int) -> Mouse:
        mouse = super().mouse(index)
        return Mouse(mouse.looks, self.place(index, mouse.posture))


def placed(frames: int, seed: int, place: Callable[[int, Posture], Posture]) -> Iterator[SceneFrame]:
    scene = Placed(SceneOptions(frames=frames, seed=seed, fps=FPS, occlusion=0.0))
    scene.place = place
    return map(scene.frame, range(frames))


def calm(frames: int) -> Iterator[SceneFrame]:
    """Nothing out of the ordinary."""
    return map(opened(frames, 62).frame, range(frames))


def leaves_and_returns(frames: int) -> Iterator[SceneFrame]:
    """It walks out of the picture, and comes in again elsewhere: in 42 of 150 frames nothing of its trunk is there."""
    sweep = 150

    def place(index: int, posture: Posture) -> Posture:
        lap, step = divmod(index, sweep)
        way = -160 + step * (WIDTH + 320) / sweep
        y = (110, 370, 240, 140)[lap % 4]
        if lap % 2:
            return replace(posture, x=WIDTH - way, y=y, heading=np.pi)
        return replace(posture, x=way, y=y, heading=0.0)

    return placed(frames, 63, place)


def jumps(frames: int) -> Iterator[SceneFrame]:
    """From one frame to the next it is elsewhere, every 29 frames."""

    def place(index: int, posture: Posture) -> Posture:
        x, y = np.random.default_rng(index // 29).uniform((120, 120), (WIDTH - 120, HEIGHT - 120))
        return replace(posture, x=x + index % 29, y=y)

    return placed(frames, 65, place)


def fast_runner(frames: int) -> Iterator[SceneFrame]:
    """It runs in circles, 22 px from frame to frame."""

    def place(index: int, posture: Posture) -> Posture:
        turn = index * 22 / 140
        x, y = WIDTH / 2 + 140 * np.cos(turn), HEIGHT / 2 + 140 * np.sin(turn)
        return replace(posture, x=x, y=y, heading=turn + np.pi / 2)

    return placed(frames, 83, place)


class TwoAnimals(TrailTracking):
    """A second animal comes after a third of the time, and goes the way that the first goes at another time."""

    def _render(self, index: int) -> tuple[Canvas, Any, Any, float]:
        canvas, points, hidden, length = super()._render(index)
        if index >= self.n_frames // 3:
            paint_mouse(canvas, self.mouse((index + self.n_frames // 2) % self.n_frames))
        return canvas, points, hidden, length


def two_animals(frames: int) -> Iterator[SceneFrame]:
    scene = TwoAnimals(SceneOptions(frames=frames, seed=80, fps=FPS, occlusion=0.0))
    return map(scene.frame, range(frames))


class HiddenTail(TrailTracking):
    """Something lies over the base of the tail, in two stretches that make up two thirds of the time."""

    def _render(self, index: int) -> tuple[Canvas, Any, Any, float]:
        canvas, points, hidden, length = super()._render(index)
        if self.n_frames // 6 <= index % (self.n_frames // 2):
            canvas.paint(ellipse(points[3], (0.22 * length, 0.2 * length), 0.3), np.full(3, 150, np.float32))
            hidden[3] = True
        return canvas, points, hidden, length


def hidden_tail(frames: int) -> Iterator[SceneFrame]:
    scene = HiddenTail(SceneOptions(frames=frames, seed=87, fps=FPS, occlusion=0.0))
    return map(scene.frame, range(frames))


def cut(frames: int) -> Iterator[SceneFrame]:
    """After each third of the video another animal in another place."""
    scenes = [opened(frames, seed) for seed in (69, 70, 71)]
    return (scenes[3 * index // frames].frame(index) for index in range(frames))


def flicker(frames: int) -> Iterator[SceneFrame]:
    """The light changes by up to 30 % from frame to frame."""
    light = np.random.default_rng(0).uniform(0.7, 1.3, frames)
    for frame, factor in zip(map(opened(frames, 72).frame, range(frames)), light, strict=True):
        image = np.rint(np.clip(frame.image * factor, 0, 255)).astype(np.uint8)
        yield replace(frame, image=image)


def moving_camera(frames: int) -> Iterator[SceneFrame]:
    """The camera pans over a larger place, and shakes by up to 5 px."""
    scene = opened(frames, 88, width=WIDTH + 160, height=HEIGHT + 120)
    shake = np.random.default_rng(0).integers(-5, 6, (frames, 2))
    for index in range(frames):
        pan = 75 * (1 + np.sin(index / 40)), 55 * (1 + np.cos(index / 27))
        left, top = np.rint(pan).astype(int) + 5 + shake[index]
        frame = scene.frame(index)
        points = frame.points - (left, top)
        there = ((points >= 0) & (points < (WIDTH, HEIGHT))).all(axis=1)
        image = frame.image[top : top + HEIGHT, left : left + WIDTH]
        yield SceneFrame(image, points, frame.visible & there, frame.hidden & there)


SCENES: dict[str, Callable[[int], Iterator[SceneFrame]]] = {
    "calm": calm,
    "leaves and returns": leaves_and_returns,
    "jumps": jumps,
    "fast runner": fast_runner,
    "two animals": two_animals,
    "hidden tail base": hidden_tail,
    "cut": cut,
    "flicker": flicker,
    "moving camera": moving_camera,
}


@dataclass(frozen=True)
class Found:
    """What a run made of one scene."""

    poses: Any  # (N, K, 3)
    manifest: dict[str, Any]

    @classmethod
    def of(cls, table: Path | None) -> Found:
        """By the table and the manifest beside it."""
        assert table is not None, "a scene was not analysed"
        return cls(poses(table), json.loads(table.with_suffix(".json").read_text(encoding="utf-8")))

    @property
    def whole_share(self) -> float:
        """Of the frames, those that the network looked at as a whole."""
        looked = self.manifest.get("windows")
        return looked["whole_frames"] / looked["frames"] if looked else 1.0

    @property
    def work(self) -> float:
        """Pixels that the network looked at, as a share of all."""
        looked = self.manifest.get("windows")
        if not looked:
            return 1.0
        settings = self.manifest["settings"]
        pixels = settings["network_width"] * settings["network_height"]
        area = settings["windows"]["width"] * settings["windows"]["height"] / pixels
        return float(area * (1 + looked["moved_windows"] / looked["frames"]) + self.whole_share)

    @property
    def gate(self) -> str:
        """What the gate measured."""
        figures = [{name: each[name] for name in each if name != "passed"} for each in self.manifest["parity_gate"]]
        return "; ".join(str(WindowFigures(**each) if "width" in each else GateFigures(**each)) for each in figures)


def main() -> None:
    """Render, analyse, compare, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES))
    parser.add_argument("--precision", default="int8", choices=FIXED_PRECISIONS)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--window", type=int, default=224, help="px of the network's picture")
    parser.add_argument("--auto", nargs="*", choices=SCENES, default=list(SCENES), help="scenes that auto decides for")
    parser.add_argument("--frames", type=int, default=FRAMES)
    arguments = parser.parse_args()
    facts = machine()
    folder, precision, scale = arguments.folder, arguments.precision, arguments.scale
    names = arguments.scenes
    truths = {name: rendered(name, arguments.frames, folder) for name in names}
    whole = analyzed(names, folder, precision, scale, "off", ANY_SHIFT)
    asked = analyzed(names, folder, precision, scale, arguments.window, ANY_SHIFT)
    rows = [row(name, arguments.window, truths[name], asked[name], whole[name]) for name in names]
    for name in arguments.auto:
        found = analyzed([name], folder, "auto", scale, "auto")[name]
        rows.append(row(name, "auto", truths[name], found, whole[name]))
    keep(f"{precision}-scale-{scale:g}", facts, arguments.frames, rows)


def video_of(name: str, folder: Path) -> Path:
    """Where a scene's video is."""
    return folder / f"{name.replace(' ', '-')}.mp4"


def rendered(name: str, frames: int, folder: Path) -> Any:
    """The truth ``(N, K, 3)`` of a scene, whose video lies in the folder from then on."""
    video = video_of(name, folder)
    truth = video.with_suffix(".npy")
    if not truth.exists():
        folder.mkdir(exist_ok=True)
        poses_of_all = []
        with VideoEncoder(video, WIDTH, HEIGHT, FPS, EncodeOptions(crf=12), overwrite=True) as encoder:
            for frame in SCENES[name](frames):
                encoder.write(frame.image)
                poses_of_all.append(truth_row(frame)[0, :, 0])
        np.save(truth, poses_of_all)
    return np.load(truth)


def analyzed(
    names: Sequence[str],
    folder: Path,
    precision: str,
    scale: float,
    window: int | str,
    max_shift: float = MAX_SHIFT_PX,
) -> dict[str, Found]:
    """What the command makes of scenes, for which it measures and decides together."""
    videos = [video_of(name, folder) for name in names]
    model = posecli.load_model("built-in", posecli.EngineOptions("openvino", precision))  # type: ignore[arg-type]
    options = posecli.AnalyzeOptions(
        batch_size=BATCH,
        scale=scale,
        window=window,  # type: ignore[arg-type]
        max_shift=max_shift,
        out_dir=folder / f"{precision}-scale-{scale:g}-window-{window}",
    )
    tables = {each.video: each.table for each in posecli.analyze(videos, model, options).results}
    return {name: Found.of(tables[video]) for name, video in zip(names, videos, strict=True)}


def row(name: str, window: int | str, truth: Any, found: Found, expected: Found) -> dict[str, Any]:
    """Figures of one scene: windows beside the whole frames that they stand for."""
    visible, sure = truth[..., 2] > 0, expected.poses[..., 2] >= CUTOFF
    shift = apart(found.poses, expected.poses)
    lost = sure & ((found.poses[..., 2] < CUTOFF) | (shift > LOST))
    errors = {
        whose: np.quantile(apart(each.poses, truth)[visible], list(QUANTILES.values()))
        for whose, each in (("whole", expected), ("windows", found))
    }
    return {
        "scene": name,
        "window": window,
        **{
            f"{whose} {which}": float(px)
            for whose in errors
            for which, px in zip(QUANTILES, errors[whose], strict=True)
        },
        "worse by": float((errors["windows"] - errors["whole"]).max()),
        "shift median": float(np.median(shift[sure])),
        "shift p99": float(np.quantile(shift[sure], 0.99)),
        "sure points": int(sure.sum()),
        "of these lost": int(lost.sum()),
        f"over {LOST:g} px away": int((sure & (shift > LOST)).sum()),
        "as a whole %": 100 * found.whole_share,
        "work %": 100 * found.work,
        "the gate": found.gate,
    }


def apart(found: Any, expected: Any) -> Any:
    """Px between poses ``(N, K, 3)``."""
    return np.linalg.norm(found[..., :2] - expected[..., :2], axis=-1)


def keep(settings: str, facts: dict[str, Any], frames: int, rows: list[dict[str, Any]]) -> None:
    """Write the results, beside those of other settings."""
    path = RESULTS / f"{NAME}.json"
    runs = json.loads(path.read_text())["runs"] if path.exists() else {}
    runs[settings] = {"machine": facts, "frames": frames, "rows": rows}
    text = f"# Windows where a scene is hard\n\nThe built-in network, {frames} frames of 640x480 a scene; {READING}\n"
    for name, run in runs.items():
        lines = [f"* {each['scene']}: {each['the gate']}" for each in run["rows"] if each["window"] == "auto"]
        table = markdown_table([{key: each[key] for key in each if key != "the gate"} for each in run["rows"]])
        text += f"\n## {name}\n{run['machine']['processor']}, {run['machine']['date']}.\n\n{table}\n\n"
        text += "\n".join(["What auto measured:", "", *lines, ""]) if lines else ""
    write_results(NAME, {"runs": runs}, text.rstrip())


if __name__ == "__main__":
    main()
