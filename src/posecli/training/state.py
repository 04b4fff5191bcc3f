"""The run folder: what a run has reached, so that it can be continued, and what it has measured."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy.typing as npt
import pandas as pd
import yaml

from posecli.errors import OutputError, OutputExistsError
from posecli.model.folder import is_model_folder
from posecli.support.figures import house_style, new_figure, save_figure
from posecli.support.files import move_into_place, partial_path, write_whole
from posecli.support.yamlfile import read_yaml
from posecli.training.config import TrainConfig
from posecli.training.objective import AccuracyRow, ErrorRow, MeasureRow, Row

#: Not ``config.yaml``, which makes a folder a DeepLabCut project.
RUN_FILE = "training.yaml"
RUN_FORMAT = "posecli-training"
SPLIT_FILE = "split.yaml"
LOSSES_FILE = "losses.csv"
CURVES = "curves"
MODEL_FOLDER = "model"
STATE_FILE = "state.safetensors"
#: What a run of either kind makes, its model apart.
FILES = (
    RUN_FILE, SPLIT_FILE, STATE_FILE, LOSSES_FILE, ErrorRow.FILE, AccuracyRow.FILE, f"{CURVES}.png", f"{CURVES}.svg"
)  # fmt: skip

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    step: int
    #: Number of the phase that the last step belongs to.
    phase: int
    #: Lowest overall error so far.
    best: float
    #: Keras dtype policy, and hash of the labels, that the run was begun with and goes on with.
    policy: str
    data: str
    #: Sums of the two numbers that a row of losses tells, since the last one, and steps in these sums.
    losses: tuple[float, float]
    summed: int


class RunFolder:
    """A training run on disk; `restart` throws away what an earlier run left there, and nothing else.

    A folder that holds another run, or something else, is an `OutputExistsError`.
    """

    def __init__(self, path: Path, config: TrainConfig, *, restart: bool = False) -> None:
        self.path = path
        self.config = config
        self.losses: list[Row] = []
        self.errors: list[MeasureRow] = []
        #: The model folder of the best snapshot.
        self.model = path / MODEL_FOLDER
        self._claim(restart)

    def _claim(self, restart: bool) -> None:
        try:
            known, has_model = self._known_fingerprint(), is_model_folder(self.model)
            if known is not None and restart:
                for name in FILES:
                    (self.path / name).unlink(missing_ok=True)
                if has_model:
                    shutil.rmtree(self.model)
            # A run that has left nothing but its settings may be replaced.
            elif known not in (None, self.config.fingerprint) and (has_model or (self.path / STATE_FILE).is_file()):
                raise OutputExistsError(
                    f"'{self.path}' holds a run with other settings: choose another --out-dir, or pass --restart to "
                    "begin anew"
                )
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"'{self.path}' cannot be written ({error.strerror}): choose another --out-dir"
            ) from error
        content = {"format": RUN_FORMAT, "fingerprint": self.config.fingerprint, **self.config.as_dict()}
        write_whole(self.path / RUN_FILE, yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())

    def _known_fingerprint(self) -> str | None:
        """Which run the folder holds; ``None`` where there is nothing yet."""
        if (self.path / RUN_FILE).is_file():
            content = read_yaml(self.path / RUN_FILE, OutputError)
            if content.get("format") == RUN_FORMAT:
                return str(content.get("fingerprint"))
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise OutputExistsError(
                f"'{self.path}' holds something other than a training run: choose another --out-dir"
            )
        return None

    def save(self, arrays: Arrays, progress: Progress) -> None:
        """Keep the state of the run in one file, which is replaced as a whole."""
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        losses, errors = ([asdict(row) for row in rows] for rows in (self.losses, self.errors))
        content = {"progress": asdict(progress), "losses": losses, "errors": errors}
        path = self.path / STATE_FILE
        try:
            save_file(arrays, partial_path(path), {"posecli": json.dumps(content)})
        except (OSError, SafetensorError) as error:
            raise OutputError(f"'{path}' cannot be written ({error}): make room on its disk") from error
        move_into_place(partial_path(path), path)
        measures = self.config.MEASURES
        for name, kind, rows in ((LOSSES_FILE, self.config.LOSSES, losses), (measures.FILE, measures, errors)):
            table = pd.DataFrame(rows, columns=[field.name for field in fields(kind)])
            write_whole(self.path / name, table.to_csv(index=False, na_rep="nan", lineterminator="\r\n").encode())

    def load(self) -> tuple[Arrays, Progress] | None:
        """The state that `save` kept; ``None`` for a run that has not come so far."""
        from safetensors import SafetensorError, safe_open

        path = self.path / STATE_FILE
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                content = json.loads(file.metadata()["posecli"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
            self.losses = [self.config.LOSSES(**row) for row in content["losses"]]
            self.errors = [self.config.MEASURES(**row) for row in content["errors"]]
            progress = Progress(**content["progress"] | {"losses": tuple(content["progress"]["losses"])})
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise OutputError(f"'{path}' is damaged ({error}): pass --restart to begin anew") from error
        return arrays, progress

    def draw_curves(self) -> None:
        """Draw losses on the left and held-out measures on the right, against steps, as PNG and SVG."""
        with house_style():
            figure = new_figure(12, 4.2)
            left, right = figure.subplots(1, 2)
            self.config.LOSSES.draw(left, self.losses)
            self.config.MEASURES.draw(right, self.errors)
        save_figure(figure, self.path / CURVES)
