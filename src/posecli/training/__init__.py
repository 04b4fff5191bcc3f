"""Training: examples, the loop with its checkpoints, and the model folder that comes out.

What poses and behaviours share lies here: settings, the loop, the run folder, views and light of examples. What differs
lies in `posecli.training.poses` and `posecli.training.behaviours`: the settings of a kind name its rows and open its
objective (data, network, losses, held-out measure), and the loop knows nothing else of it.
"""

from __future__ import annotations

from pathlib import Path

from posecli.support.tensorflow import choose_kernels

choose_kernels()  # before a module of this package imports Keras, and with it TensorFlow

from posecli.errors import UsageError  # noqa: E402
from posecli.support.yamlfile import read_yaml  # noqa: E402
from posecli.training.behaviours.config import BehaviourConfig, behaviour_config  # noqa: E402
from posecli.training.poses.config import PoseConfig, pose_config  # noqa: E402


def read_train_config(path: Path) -> PoseConfig | BehaviourConfig:
    """Read ``CONFIG.yaml``; with `classes` it is for a network for behaviours. Paths are relative to its folder.

    Raises
    ------
    UsageError
        If a key is unknown or has a value of the wrong kind; the message names it.
    """
    content = read_yaml(path, UsageError)
    read = pose_config if content.get("classes") is None else behaviour_config
    try:
        return read(content, path.parent)
    except UsageError as error:
        raise UsageError(f"'{path}': {error}") from error
