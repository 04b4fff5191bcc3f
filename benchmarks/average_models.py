"""The mean of several networks' weights, as a model folder: two halves of one training, where each does better at
something, often do both well together (Izmailov et al. 2018, "Averaging weights leads to wider optima and better
generalization").

    python benchmarks/average_models.py FIRST SECOND --name mousefromabove --steps 3800 -o AVERAGE
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from posecli.model.folder import read_model_folder, write_folder


def main() -> None:
    """Read, average, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--name", required=True, help="goes into the scorer")
    parser.add_argument("--steps", type=int, required=True, help="goes into the scorer: steps of training in all")
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    folders = [read_model_folder(path) for path in arguments.models]
    last = folders[-1].description
    weights = [folder.weights() for folder in folders]
    mean = {
        name: np.asarray(np.mean([held[name] for held in weights], axis=0, dtype=np.float64), np.float32)
        for name in last.network.variable_shapes()
    }
    source = {
        "kind": "mean of the weights of several networks, made by posecli",
        "of": [dict(folder.description.source) | {"identity": folder.identity} for folder in folders],
    }
    scorer = f"DLC_{last.net_type.replace('_', '')}_{arguments.name}shuffle1_{arguments.steps}"
    write_folder(arguments.out, replace(last, scorer=scorer, source=source), mean)


if __name__ == "__main__":
    main()
