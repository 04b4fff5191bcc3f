"""What training of a network is made of: ``CONFIG.yaml`` as frozen values, whichever kind of network it is for."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from posecli.errors import UsageError
from posecli.support.yamlfile import read_yaml
from posecli.training.clip_config import ClipConfig, clip_config
from posecli.training.pose_config import PoseConfig, pose_config

#: The settings of whatever kind of network.
AnyConfig: TypeAlias = PoseConfig | ClipConfig


def read_train_config(path: Path) -> AnyConfig:
    """Read ``CONFIG.yaml``; with `classes` it is for a network for behaviours. Paths are relative to its folder.

    Raises
    ------
    UsageError
        If a key is unknown or a value of the wrong kind; the message names it.
    """
    content = read_yaml(path, UsageError)
    try:
        if content.get("classes") is not None:
            return clip_config(content, path.parent)
        return pose_config(content, path.parent)
    except UsageError as error:
        raise UsageError(f"'{path}': {error}") from error
