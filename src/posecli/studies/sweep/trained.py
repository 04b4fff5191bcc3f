"""On which scales of the frame a network was trained, as far as its model folder says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: By what DeepLabCut multiplies its global scale, unless a project says otherwise.
DEEPLABCUT_JITTER = (0.5, 1.25)


def trained_scales(source: Mapping[str, Any]) -> tuple[float, float] | None:
    """Smallest and largest scale; ``None`` where nothing is known.

    Parameters
    ----------
    source
        Of a model folder's description: written when a network was trained, averaged of several, or imported from
        DeepLabCut.

    Examples
    --------
    >>> trained_scales({"global_scale": 0.8})
    (0.4, 1.0)
    >>> trained_scales({"config": {"augment": {"scales": [1.0, 0.25], "scale_jitter": 2.0}}})
    (0.125, 2.0)
    >>> trained_scales({"of": [{"global_scale": 0.8}, {"global_scale": 0.4}]})
    (0.2, 1.0)
    """
    try:
        if "of" in source:
            known = [scales for part in source["of"] if (scales := trained_scales(part)) is not None]
            return min(low for low, _ in known), max(high for _, high in known)
        if "config" in source:
            seen = source["config"]["augment"]
            return min(seen["scales"]) / seen["scale_jitter"], max(seen["scales"]) * seen["scale_jitter"]
        low, high = (float(source["global_scale"]) * factor for factor in DEEPLABCUT_JITTER)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return low, high
