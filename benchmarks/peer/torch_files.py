"""Small files by PyTorch's own ``torch.save``, for the tests of posecli's reader.

``python benchmarks/peer/torch_files.py tests/model/golden`` writes them, and the numbers that they hold, in an
environment with PyTorch.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch


def snapshot() -> dict[str, Any]:
    """What DeepLabCut keeps in a snapshot, with the numbers of NumPy that its first releases kept."""
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ConvTranspose2d(2, 1, 2))
    optimizer = torch.optim.AdamW(layers.parameters(), lr=1e-3)
    layers(torch.ones(1, 3, 5, 5)).sum().backward()
    optimizer.step()
    metrics = {"test.mAP": np.float64(2.5), "count": np.int64(7), "plain": 0.25}
    metadata = {"epoch": 3, "metrics": metrics, "losses": {"total": [0.5, float("nan")]}}
    return {"model": layers.state_dict(), "metadata": metadata, "optimizer": optimizer.state_dict()}


def kinds() -> dict[str, Any]:
    """Tensors of every type, and some that are parts of a storage."""
    numbers = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    types = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8)
    tensors: dict[str, Any] = {str(kind).removeprefix("torch."): (numbers * 0.75 - 4).to(kind) for kind in types}
    tensors |= {"uint8": numbers.to(torch.uint8), "bool": numbers > 11}
    tensors |= {"transposed": numbers.transpose(0, 2), "part": numbers[1, ::2, 1:3], "again": numbers}
    tensors |= {"single": torch.tensor(3.5), "none": torch.zeros(0, 3), "parameter": torch.nn.Parameter(numbers[0])}
    return {"tensors": OrderedDict(tensors), "list": [1, -2, 1 << 40, None, True, "naïve", (1.5, ())]}


def main() -> None:
    """Write the files, and each tensor in float32 beside them."""
    folder = Path(sys.argv[1])
    torch.manual_seed(0)
    contents = {"snapshot": snapshot(), "kinds": kinds()}
    for name, content in contents.items():
        torch.save(content, folder / f"{name}.pt")
    torch.save(contents["kinds"], folder / "older_than_1_6.pt", _use_new_zipfile_serialization=False)
    tensors = {**contents["snapshot"]["model"], **contents["kinds"]["tensors"]}
    np.savez_compressed(
        folder / "tensors.npz", **{name: each.detach().float().numpy() for name, each in tensors.items()}
    )


if __name__ == "__main__":
    main()
