"""YAML files that come from outside: read as plain data, bounded in size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from posecli.errors import PoseCliError

#: Larger than any project file seen, and small enough to parse in a moment.
LARGEST_YAML_BYTES = 4 << 20


def read_yaml(path: Path, failure: type[PoseCliError]) -> dict[str, Any]:
    """Read a mapping; anything else, and any tag that would make an object, raises `failure`."""
    try:
        size = path.stat().st_size
        if size > LARGEST_YAML_BYTES:
            raise failure(f"'{path}' has {size} bytes, too many for a settings file: check that it is the right file")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise failure(f"'{path}' does not exist: check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise failure(f"'{path}' cannot be read ({error}): check the file and its permissions") from error
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise failure(f"'{path}' is not plain YAML{where}: correct or re-export it") from error
    if not isinstance(content, dict):
        raise failure(f"'{path}' holds no settings: expected lines of the form 'key: value'")
    return content
