"""Tables against DeepLabCut's own, for the same network and videos.

DeepLabCut 3.0.2 (TensorFlow 2.15, CPU, float32) made the tables. Where its likelihood is above 0.05, positions
agree within 0.01 px and likelihoods within 1e-4; below, a map is flat and the place of its maximum is chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import clips

from posecli.analysis import analyze
from posecli.engine.outputs import Axes, Maps, Peaks
from posecli.inference.decode import Pose
from posecli.inference.predictor import PoseModel
from posecli.model.folder import ModelFolder
from posecli.model.importing import import_model
from posecli.options import DECODERS, AnalyzeOptions, DecoderName, EngineOptions
from posecli.tables.pose_table import read_pose_table
from posecli.video.probe import probe
from posecli.video.reader import VideoReader

pytestmark = pytest.mark.slow

SCORER = "DLC_resnet50_openfieldOct30shuffle1_4000"
ENGINE = EngineOptions("tensorflow", "fp32")
POSITION_PX = 0.01
LIKELIHOOD = 1e-4
SEEN = 0.05


class RecordingModel(PoseModel):
    """Keeps what the network said, batch by batch."""

    def __init__(self, folder: ModelFolder) -> None:
        super().__init__(folder, ENGINE)
        self.outputs: list[Maps] = []

    def decode(self, output: Maps | Axes | Peaks, decoder: DecoderName = "numpy", num_outputs: int = 1) -> Pose:
        assert isinstance(output, Maps)
        self.outputs.append(output)
        return super().decode(output, decoder, num_outputs)


@dataclass(frozen=True)
class Run:
    """A clip's two tables, and what the network said."""

    found: pd.DataFrame
    expected: pd.DataFrame
    model: RecordingModel


@pytest.fixture(scope="module")
def folder(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return import_model(shared_data / "dlc-openfield" / "config.yaml", tmp_path_factory.mktemp("model") / "openfield")


def run(video: Path, shared_data: Path, folder: ModelFolder, options: AnalyzeOptions) -> Run:
    """Analyse the beginning of a clip, and hold it against that of DeepLabCut's table."""
    model = RecordingModel(folder)
    report = analyze(video, model, options)
    assert report.results[0].state == "done", report.results[0].message
    assert report.results[0].table is not None
    name = f"{video.stem}{SCORER}.h5"
    assert report.results[0].table.name == name
    found = read_pose_table(report.results[0].table)
    expected = read_pose_table(shared_data / "dlc-openfield" / "golden" / name)
    return Run(found, expected.iloc[: len(found)], model)


@pytest.fixture(scope="module")
def small_clip(shared_data: Path, folder: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """192 of 2,330 frames of 160x120 px, in batches of 64, as DeepLabCut had them."""
    place = tmp_path_factory.mktemp("poses")
    clip = clips.beginning(shared_data / "dlc-openfield" / "clips" / "m3v1w160.mp4", 192, place)
    return run(clip, shared_data, folder, AnalyzeOptions(ENGINE, batch_size=64, out_dir=place))


def assert_equal_tables(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert found.shape == expected.shape
    pd.testing.assert_index_equal(found.columns, expected.columns)
    pd.testing.assert_index_equal(found.index, expected.index, exact=False)
    ours, theirs = (table.to_numpy().reshape(len(table), -1, 3) for table in (found, expected))
    seen = theirs[..., 2] > SEEN
    assert seen.mean() > 0.5, "most body parts are seen in these videos"
    assert np.abs(ours - theirs)[seen][:, :2].max() < POSITION_PX
    assert np.abs(ours - theirs)[seen][:, 2].max() < LIKELIHOOD


def test_batches(small_clip: Run) -> None:
    assert len(small_clip.found) == 192
    assert_equal_tables(small_clip.found, small_clip.expected)


def test_decoders_give_equal_bits_on_a_real_network_s_maps(small_clip: Run) -> None:
    model = small_clip.model
    for output in model.outputs:
        poses = [PoseModel.decode(model, output, decoder) for decoder in DECODERS if decoder != "standard"]
        assert output.locref is not None
        one_by_one = [
            PoseModel.decode(model, Maps(scoremap[None], locref[None]), "standard")
            for scoremap, locref in zip(output.scoremap, output.locref, strict=True)
        ]
        assert len({pose.tobytes() for pose in (*poses, np.concatenate(one_by_one))}) == 1


def test_frame_by_frame(shared_data: Path, folder: ModelFolder, tmp_path: Path) -> None:
    video = clips.beginning(shared_data / "dlc-openfield" / "clips" / "m3v1w320.mp4", 100, tmp_path)
    options = AnalyzeOptions(ENGINE, batch_size=1, decoder="standard", out_dir=tmp_path)
    result = run(video, shared_data, folder, options)
    assert len(result.found) == 100
    assert_equal_tables(result.found, result.expected)


def test_start_of_the_full_size_video(shared_data: Path, folder: ModelFolder) -> None:
    """32 frames of 640x480 px; ``benchmarks/parity_deeplabcut.py`` compares all 2,330."""
    info = probe(shared_data / "openfield" / "videos" / "m3v1mp4.mp4")
    model = PoseModel(folder, ENGINE)
    batches = islice(VideoReader(info).batches(8), 4)
    found = np.concatenate([model.predict(batch.images).reshape(8, -1) for batch in batches])
    expected = read_pose_table(shared_data / "dlc-openfield" / "golden" / f"m3v1mp4{SCORER}.h5")
    assert len(expected) == info.n_frames == 2330
    assert_equal_tables(pd.DataFrame(found, columns=expected.columns), expected.iloc[:32])
