"""Balanced accuracy of a network for behaviours in each precision, on videos of the home cage that it never saw.

    python benchmarks/behaviour_accuracy.py
    python benchmarks/behaviour_accuracy.py --model my-behaviours --still still-model

The videos are rendered with seeds that no training uses, and read back from H.264. A chunk's truth is the label of its
middle frame; of a frame, the probabilities are the mean over all chunks that cover it. `--still` is a network that was
trained on chunks whose middle frame is repeated, and is shown such chunks: what a single frame gives away.

bf16 is the processor's own where it has it; elsewhere it is emulated in Keras: what enters a convolution, and its
kernel, are rounded to bfloat16, products are summed in float32.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from common import machine, markdown_table, write_results

from posecli.behaviour.agreement import balanced_accuracy
from posecli.behaviour.chunks import ChunkPlan, ClipReader
from posecli.behaviour.intervals import frame_labels, read_intervals
from posecli.behaviour.table import Behaviours
from posecli.engine import open_engine
from posecli.engine.outputs import Logits
from posecli.inference.predictor import ClipModel, load_clip_model
from posecli.model.folder import ClipModelFolder, builtin_behaviours_path
from posecli.options import EngineOptions
from posecli.synthetic import SceneOptions, write_sample
from posecli.synthetic.sample import behaviours_beside
from posecli.video.geometry import Geometry
from posecli.video.probe import probe
from posecli.video.reader import VideoReader

#: Far from the seeds that training draws from.
SEEDS = (902, 903, 904)
#: Chunks per call.
BATCH = 8

Floats = npt.NDArray[np.float64]
Chunks = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Test:
    """One video: its chunks, and the true label of each frame."""

    chunks: Chunks
    starts: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    span: int

    @property
    def middles(self) -> npt.NDArray[np.int64]:
        """True label of each chunk."""
        return self.labels[self.starts + self.span // 2]


def main() -> None:
    """Measure, and write ``results/behaviour-accuracy.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--still", type=Path, help="model trained on still chunks")
    parser.add_argument("--frames", type=int, default=2700, help="of each video")
    parser.add_argument("--stride", type=int, default=8, help="frames from chunk to chunk")
    parser.add_argument("--name", default="behaviour-accuracy", help="name of the result files")
    arguments = parser.parse_args()
    facts = machine()
    model = load_clip_model(arguments.model or builtin_behaviours_path())
    with tempfile.TemporaryDirectory() as scratch:
        tests = [test_of(model, Path(scratch), seed, arguments.frames, arguments.stride) for seed in SEEDS]
    rows = precisions(model, tests)
    if arguments.still:
        rows.append(row_of("single frame", load_clip_model(arguments.still), [still(test) for test in tests], []))
    own = model.description
    content = {
        "machine": facts,
        "model": {"scorer": own.scorer, "width": own.width, "length": own.length, "frame_step": own.frame_step},
        "input": f"{own.input_width}x{own.input_height}",
        "videos": {"seeds": SEEDS, "frames": arguments.frames, "stride": arguments.stride},
        "chance": 1 / len(own.classes),
        "largest logit difference, OpenVINO against Keras": logit_difference(model.folder, tests[0].chunks[:16]),
        "rows": rows,
    }
    write_results(arguments.name, content, report(content))


def test_of(model: ClipModel, folder: Path, seed: int, frames: int, stride: int) -> Test:
    """Render, encode, and read back as chunks."""
    own = model.description
    options = SceneOptions(scene="home-cage", frames=frames, seed=seed)
    video = write_sample(options, folder / f"{seed}.mp4").video
    info = probe(video)
    plan = ChunkPlan(own.length, stride, own.frame_step)
    geometry = Geometry.plan(info.width, info.height).brought_to(own.input_width, own.input_height)
    reader = ClipReader(VideoReader(info, geometry), plan)
    parts = []
    while (batch := reader.read_into(reader.new_buffer(BATCH))) is not None:
        parts.append(batch.images)
    labels = frame_labels(read_intervals(behaviours_beside(video)), own.classes, info.n_frames)
    return Test(np.concatenate(parts), plan.starts(info.n_frames), labels, plan.span)


def still(test: Test) -> Test:
    """The same with each chunk's middle frame in the place of all."""
    middle = test.chunks[:, [test.chunks.shape[1] // 2]]
    return Test(np.broadcast_to(middle, test.chunks.shape), test.starts, test.labels, test.span)


def precisions(model: ClipModel, tests: list[Test]) -> list[dict[str, Any]]:
    """A row for each precision."""
    exact = model.with_precision("fp32")
    expected = [exact.predict(test.chunks, batch_size=BATCH) for test in tests]
    rows = [row_of("fp32", exact, tests, expected, expected)]
    if model.obstacle("bf16") is None:
        rows.append(row_of("bf16", model.with_precision("bf16"), tests, expected))
    else:
        found = [emulated_bf16(model, test.chunks) for test in tests]
        rows.append(row_of("bf16, emulated", model, tests, expected, found))
    if model.obstacle("int8") is None:
        rows.append(row_of("int8", model.with_precision("int8"), tests, expected))
    return rows


def row_of(
    name: str, model: ClipModel, tests: list[Test], expected: list[Floats], found: list[Floats] | None = None
) -> dict[str, Any]:
    """Accuracies over all videos together."""
    found = found or [model.predict(np.ascontiguousarray(test.chunks), batch_size=BATCH) for test in tests]
    classes = model.description.classes
    by_frame = [frame_labels_of(test, probabilities, classes) for test, probabilities in zip(tests, found, strict=True)]
    truth = np.concatenate([test.labels for test in tests])
    middles = np.concatenate([test.middles for test in tests])
    said = np.concatenate([probabilities.argmax(axis=1) for probabilities in found])
    row = {
        "network": name,
        "chunks": len(said),
        "balanced accuracy of chunks, %": 100 * balanced_accuracy(middles, said, len(classes)),
        "of frames, %": 100 * balanced_accuracy(truth, np.concatenate(by_frame), len(classes)),
    }
    change = np.abs(np.concatenate(found) - np.concatenate(expected)).max(axis=1) if expected else None
    row["99 % of probabilities change by"] = "" if change is None else f"{np.quantile(change, 0.99):.4f}"
    return row


def frame_labels_of(test: Test, probabilities: Floats, classes: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Most probable class of each frame."""
    seconds = np.zeros(len(test.labels))
    found = Behaviours(classes, test.starts, test.span, probabilities, seconds)
    return np.asarray(found.frame_probabilities(range(len(seconds))).argmax(axis=1), np.int64)


def emulated_bf16(model: ClipModel, chunks: Chunks) -> Floats:
    """What bfloat16 products with float32 sums give."""
    import keras
    import tensorflow as tf

    from posecli.engine.keras_layers import build_with_weights
    from posecli.network.folding import fold_batch_norm

    def rounded(array: Any) -> Any:
        return tf.cast(tf.cast(array, tf.bfloat16), tf.float32)

    plain = keras.layers.Conv3D.call
    keras.layers.Conv3D.call = lambda layer, inputs: plain(layer, rounded(inputs))
    try:
        folded, weights = fold_batch_norm(model.description.network, model.folder.weights())
        kernels = {name: rounded(array).numpy() for name, array in weights.items() if name.endswith("/w")}
        network = build_with_weights(folded, weights | kernels, chunks.shape[1:4])
        starts = range(0, len(chunks), BATCH)
        parts = [network.predict_on_batch(chunks[start : start + BATCH])["logits"] for start in starts]
    finally:
        keras.layers.Conv3D.call = plain
    return model.probabilities(Logits(np.concatenate(parts)))


def logit_difference(folder: ClipModelFolder, chunks: Chunks) -> float:
    """Largest, in fp32."""
    logits = [
        open_engine(folder, chunks.shape[1:], EngineOptions(engine, "fp32"))(chunks).logits
        for engine in ("openvino", "tensorflow")
    ]
    return float(np.abs(logits[0] - logits[1]).max())


def report(content: dict[str, Any]) -> str:
    """The result for people."""
    facts, model, videos = content["machine"], content["model"], content["videos"]
    largest = content["largest logit difference, OpenVINO against Keras"]
    return (
        f"# Behaviours of the rendered home cage, by precision\n\n{facts['processor']}, {facts['cores']} cores, "
        f"{facts['date']}; {model['scorer']} (I3D of width {model['width']:g}, {model['length']} frames "
        f"{model['frame_step']} apart, {content['input']} px); seeds {', '.join(map(str, videos['seeds']))}, "
        f"{videos['frames']} frames of 640x480 px each, a chunk every {videos['stride']} frames; chance "
        f"{100 * content['chance']:.1f} %. In fp32 OpenVINO's logits differ from Keras' by {largest:.1e} at most.\n\n"
        f"{markdown_table(content['rows'])}"
    )


if __name__ == "__main__":
    main()
