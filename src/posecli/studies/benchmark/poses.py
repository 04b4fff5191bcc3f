"""What is particular to benchmarks of pose networks: videos and networks, the shift of poses, and words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from posecli.errors import ModelError
from posecli.inference.step import Values
from posecli.model.folder import ModelFolder, builtin_model_path, read_model_folder
from posecli.model.importing import open_model
from posecli.options import MAX_SHIFT_PX
from posecli.precision.gate import FEWEST_POINTS, GateFigures, compare_poses, model_cutoff
from posecli.studies.benchmark.material import Say, render_scene, untrained_model
from posecli.studies.benchmark.options import BenchmarkOptions
from posecli.studies.benchmark.study import Condition, DataSet
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, quoted
from posecli.video.probe import probe

#: Frames that are rendered of a scene; longer clips repeat them.
SCENE_FRAMES = 120
#: Body parts of an untrained network that looks at a user's video.
SOME_BODYPARTS = 4

#: Columns of the CSV file that say how poses change against fp32.
CHANGES: dict[str, Callable[[Cell], Any]] = {
    "shift_median_px": lambda cell: cell.change and cell.change.median_px,
    "shift_p99_px": lambda cell: cell.change and cell.change.p99_px,
}


def gather(options: BenchmarkOptions, folder: Path, say: Say) -> list[DataSet]:
    """The user's videos, or the two scenes of the papers."""
    from posecli.synthetic import SCENES

    if options.videos:
        return [_data_set(path, options, None) for path in options.videos]
    scenes = [render_scene(name, SCENE_FRAMES, options.seed, folder, say) for name in SCENES]
    return [_data_set(video, options, scene.bodyparts) for scene, video in scenes]


def _data_set(video: Path, options: BenchmarkOptions, bodyparts: Sequence[str] | None) -> DataSet:
    info = probe(video)
    model = open_model(options.model) if options.model else own_model(bodyparts)
    network = model or untrained_model(len(bodyparts or range(SOME_BODYPARTS)), options.seed)
    return DataSet(video.stem, video, info.width, info.height, network.path, trained=model is not None)


def own_model(bodyparts: Sequence[str] | None) -> ModelFolder | None:
    """The network that comes with posecli, if there is one and it knows these body parts."""
    with suppress(ModelError):
        model = read_model_folder(builtin_model_path())
        if bodyparts is None or set(bodyparts) == set(model.description.bodyparts):
            return model
    return None


def shift(condition: Condition, data: DataSet, found: Values, expected: Values) -> GateFigures | None:
    """Shift of poses in px of the video's own frame, where a trained network saw enough points."""
    if not data.trained:
        return None
    enlarged = data.width / condition.width
    factors = (enlarged, enlarged, 1.0)
    cutoff = model_cutoff(read_model_folder(data.model))
    figures = compare_poses(condition.precision, found * factors, expected * factors, cutoff, MAX_SHIFT_PX)
    return figures if figures.points >= FEWEST_POINTS else None


def change_words(cell: Cell) -> str:
    """The shift's 99th percentile."""
    return cell.unchanged_words or f"{CHANGES['shift_p99_px'](cell):.2f} px"


def command(summary: BenchmarkSummary, cell: Cell) -> list[str]:
    """A line of ``posecli analyze``."""
    data, options = summary.data_of(cell), summary.study.design["options"]
    video = str(data.video) if options["videos"] else "VIDEO"
    model = options["model"] or (None if data.trained else "MODEL")  # without one, analyze takes posecli's own
    scale = cell.condition.width / data.width
    parts = ["analyze", quoted(video), *(["--model", quoted(model)] if model else [])]
    return parts if scale == 1 else [*parts, "--scale", f"{scale:.4g}"]


def method(summary: BenchmarkSummary) -> list[str]:
    """How clips are made, which networks look at them, and what the shift is."""
    blind = [data.name for data in summary.data if not data.trained]
    networks = (
        f"An untrained network of random weights looks at {', '.join(blind)}: its speed is that of a trained one, its "
        "poses mean nothing, and the shift of its poses is not judged."
    )
    return [
        f"Clips are H.264 of the width that the network sees. {networks if blind else 'Every network was trained.'}",
        "The shift is that of points above the likelihood cut-off against fp32 on the same frames, in px of the "
        "video's own frame.",
    ]
