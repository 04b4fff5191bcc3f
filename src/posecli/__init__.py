"""Fast, faithful animal pose inference.

>>> import posecli
>>> model = posecli.load_model("my-model")  # doctest: +SKIP
>>> pose = model.predict(frames)  # doctest: +SKIP
>>> report = posecli.analyze("video.mp4", "my-model")  # doctest: +SKIP

Names are imported when they are first used, so that ``import posecli`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from posecli.analysis import analyze, classify
    from posecli.behaviour.table import read_behaviours
    from posecli.errors import PoseCliError
    from posecli.inference.predictor import ClipModel, PoseModel, load_clip_model, load_model
    from posecli.inference.tfdata import tf_dataset
    from posecli.options import AnalyzeOptions, ClassifyOptions, Crop, EngineOptions, InputSize
    from posecli.support.results import AnalysisReport, VideoResult
    from posecli.tables.pose_table import read_pose_table

_HOMES = {
    "posecli.analysis": ("analyze", "classify"),
    "posecli.behaviour.table": ("read_behaviours",),
    "posecli.errors": ("PoseCliError",),
    "posecli.inference.predictor": ("ClipModel", "PoseModel", "load_clip_model", "load_model"),
    "posecli.inference.tfdata": ("tf_dataset",),
    "posecli.options": ("AnalyzeOptions", "ClassifyOptions", "Crop", "EngineOptions", "InputSize"),
    "posecli.support.results": ("AnalysisReport", "VideoResult"),
    "posecli.tables.pose_table": ("read_pose_table",),
}

__all__ = ["AnalysisReport", "AnalyzeOptions", "ClassifyOptions", "ClipModel", "Crop", "EngineOptions", "InputSize"]
__all__ += ["PoseCliError", "PoseModel", "VideoResult", "__version__", "analyze", "classify", "load_clip_model"]
__all__ += ["load_model", "read_behaviours", "read_pose_table", "tf_dataset"]


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'posecli' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
