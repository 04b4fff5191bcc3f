"""A model folder's int8 version: ``int8.yaml``, which says what computes in int8 and how that was found.

The weights stay as they are; they are rounded when the network is built. So the file holds a range for each
convolution, a few kilobytes of text, and cannot disagree with the weights but by belonging to others.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import yaml

from posecli.errors import ModelError
from posecli.model.folder import AnyFolder
from posecli.network.int8 import Int8Plan
from posecli.support.files import write_whole
from posecli.support.yamlfile import brief, read_yaml

INT8_FILE = "int8.yaml"
FORMAT = "posecli-int8"
FORMAT_VERSION = 1


def has_int8(folder: AnyFolder) -> bool:
    """Whether a model folder has an int8 version."""
    return (folder.path / INT8_FILE).is_file()


def read_int8_plan(folder: AnyFolder) -> Int8Plan:
    """Read what computes in int8; `ModelError` if the file is damaged, or was made for other weights."""
    path = folder.path / INT8_FILE
    content = read_yaml(path, ModelError)
    advice = "make it again with 'posecli model quantize'"
    if content.get("format") != FORMAT or content.get("format_version") != FORMAT_VERSION:
        raise ModelError(f"'{path}' is not a {FORMAT} file of version {FORMAT_VERSION}: {advice}")
    if content.get("model_identity") != folder.identity:
        raise ModelError(f"'{path}' was made for other weights than '{folder.path}' holds: {advice}")
    known = folder.description.network.int8_candidates()
    try:
        ranges = {str(scope): (float(low), float(high)) for scope, (low, high) in content["ranges"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ModelError(f"'{path}' is damaged ({brief(str(error))}): {advice}") from error
    for scope, (low, high) in ranges.items():
        if scope not in known or not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ModelError(f"'{path}' gives {brief(scope)} the range {low} to {high}, which is impossible: {advice}")
    return Int8Plan(ranges)


def int8_fingerprint(folder: AnyFolder) -> str | None:
    """Hash of what computes in int8; ``None`` for a folder without an int8 version."""
    if not has_int8(folder):
        return None
    ranges = sorted(read_int8_plan(folder).ranges.items())
    return hashlib.sha256(repr(ranges).encode()).hexdigest()


def write_int8(folder: AnyFolder, plan: Int8Plan, record: Mapping[str, Any]) -> None:
    """Write a plan and the record of how it was found, whole or not at all."""
    header = {"format": FORMAT, "format_version": FORMAT_VERSION, "model_identity": folder.identity}
    ranges = {scope: [float(low), float(high)] for scope, (low, high) in plan.ranges.items()}
    text = yaml.safe_dump({**header, **record, "ranges": ranges}, sort_keys=False, allow_unicode=True)
    write_whole(folder.path / INT8_FILE, text.encode())
