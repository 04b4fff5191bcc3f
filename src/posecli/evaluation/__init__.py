"""How far predicted points lie from the points that people, or a renderer, marked.

Errors are Euclidean distances in px of the full frame, at whatever scale the network saw it. Shapes: ``S`` scales,
``N`` frames, ``K`` body parts.
"""

from __future__ import annotations

from posecli.evaluation.measure import EvaluateOptions, evaluate_frames, evaluate_table, evaluate_video
from posecli.evaluation.summary import ALL, ErrorSummary, Evaluation, point_errors

__all__ = ["ALL", "ErrorSummary", "EvaluateOptions", "Evaluation", "evaluate_frames", "evaluate_table"]
__all__ += ["evaluate_video", "point_errors"]
