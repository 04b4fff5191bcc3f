"""Where the time goes before the first pose: interpreter, imports, reading the model, graph, compilation, first call.

    python benchmarks/startup.py VIDEO MODEL

MODEL is a model folder with an int8 version. Each setting runs in processes of its own, several times, taking turns.
Then the parity gate on the whole of VIDEO, where the precision is guarded by it, and the real ``posecli analyze`` on a
clip of two batches, from the command to the table under its final name.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import machine, make_clip, markdown_table, write_results

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from posecli.options import FixedPrecision

    Images = npt.NDArray[np.uint8]
    Network = Callable[[Images], Any]

#: Engine and precision.
SETTINGS = ("openvino fp32", "openvino int8", "tensorflow fp32")
PHASES = ("interpreter", "import posecli", "import runtime", "read model", "build graph", "compile", "first pose")
BATCH = 8
#: Frames of the clip for the real command: enough points for the parity gate to judge by.
FRAMES = 16
#: Lets int8 run whatever it does to the points.
ANY_SHIFT = 1000


def main() -> None:
    """Measure, and write ``results/startup.*``; the same script is what runs in the processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--widths", type=int, nargs="+", default=[160, 640])
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), metavar="'ENGINE PRECISION'")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--name", default="startup", help="name of the result files")
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--scale", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.started is not None:
        run_phases(arguments)
        return
    facts = machine()
    helps = [timed_seconds([sys.executable, "-m", "posecli", "--help"]) for _ in range(arguments.rounds)]
    conditions = [(width, setting) for width in arguments.widths for setting in arguments.settings]
    rounds: dict[tuple[int, str], list[dict[str, float]]] = {condition: [] for condition in conditions}
    with tempfile.TemporaryDirectory() as scratch:
        for _ in range(arguments.rounds):
            for width, setting in conditions:
                clip = make_clip(arguments.video, width, FRAMES, Path(scratch))
                rounds[width, setting].append(one_round(clip, arguments, setting, width))
                print(width, setting, {name: round(value, 3) for name, value in rounds[width, setting][-1].items()})
    rows = [summary(width, setting, done) for (width, setting), done in rounds.items()]
    help_seconds = statistics.median(helps)
    content = {"machine": facts, "rounds": arguments.rounds, "help seconds": help_seconds, "rows": rows}
    write_results(arguments.name, content, report(facts, arguments.rounds, help_seconds, rows))


def timed_seconds(command: Sequence[object]) -> float:
    """How long a command takes."""
    start = time.perf_counter()
    subprocess.run([str(part) for part in command], capture_output=True, check=True)
    return time.perf_counter() - start


def one_round(clip: Path, arguments: argparse.Namespace, setting: str, width: int) -> dict[str, float]:
    """The phases in one process, and the real command in another."""
    from posecli.video.probe import probe

    scale = width / probe(arguments.video).width
    command = [sys.executable, __file__, arguments.video, arguments.model, "--settings", setting, "--scale", scale]
    command += ["--started", time.perf_counter()]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{setting} ended with {done.returncode}: {done.stderr}")
    phases: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return phases | {"table on disk": seconds_to_table(clip, arguments.model, setting)}


def seconds_to_table(clip: Path, model: Path, setting: str) -> float:
    """From the command to the table under its final name."""
    engine, precision = setting.split()
    with tempfile.TemporaryDirectory(dir=clip.parent) as out_dir:
        command = [sys.executable, "-m", "posecli", "analyze", clip, "-m", model, "-o", out_dir, "-b", BATCH]
        command += ["--engine", engine, "--precision", precision, "--max-shift", ANY_SHIFT]
        start = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while not list(Path(out_dir).glob("*.h5")):
            if process.poll() not in (None, 0):
                raise RuntimeError(f"{setting} ended with {process.returncode}: {process.communicate()[1].decode()}")
            time.sleep(0.002)
        seconds = time.perf_counter() - start
        process.communicate()
    return seconds


class Laps:
    """Seconds between one named moment and the next."""

    def __init__(self, start: float) -> None:
        self.seconds: dict[str, float] = {}
        self._last = start

    def end(self, phase: str) -> None:
        """A phase ends here."""
        now = time.perf_counter()
        self.seconds[phase] = now - self._last
        self._last = now


def run_phases(arguments: argparse.Namespace) -> None:
    """What a process of its own does: everything up to the first pose, as the engines do it, with the clock running."""
    laps = Laps(arguments.started)  # the clock is the machine's, and the same in every process
    laps.end("interpreter")
    import numpy as np

    from posecli.inference.predictor import load_model
    from posecli.options import AnalyzeOptions, EngineOptions
    from posecli.precision.gate import choose_precision, pose_gate
    from posecli.video.geometry import Geometry
    from posecli.video.probe import probe

    laps.end("import posecli")
    info = probe(arguments.video)
    engine, precision = arguments.settings[0].split()
    options = AnalyzeOptions(EngineOptions(engine, precision), scale=arguments.scale, max_shift=ANY_SHIFT)
    geometry = Geometry.plan(info.width, info.height, scale=options.exact_scale)
    images = np.zeros((BATCH, geometry.height, geometry.width, 3), np.uint8)
    network = (openvino_network if engine == "openvino" else tensorflow_network)(
        arguments.model, precision, images, laps
    )
    load_model(arguments.model).decode(network(images))
    laps.end("first pose")
    choose_precision(load_model(arguments.model, options.engine), pose_gate([arguments.video], options))
    laps.end("parity gate")
    print(json.dumps(laps.seconds))


def openvino_network(model: Path, precision: FixedPrecision, images: Images, laps: Laps) -> Network:
    """As `posecli.engine.openvino.OpenVINOEngine` does it."""
    import openvino  # noqa: F401  # what is timed is the import

    from posecli.engine.openvino import CompiledNetwork, FoldedGraph
    from posecli.engine.outputs import typed_output
    from posecli.model.folder import read_int8_plan, read_model_folder
    from posecli.support.hardware import usable_cores

    laps.end("import runtime")
    folder = read_model_folder(model)
    plan = read_int8_plan(folder) if precision == "int8" else None
    graph = FoldedGraph(folder)
    laps.end("read model")
    built = graph.built(images.shape[1:], plan)
    laps.end("build graph")
    network = CompiledNetwork(built, precision, usable_cores(), min(usable_cores(), len(images)))
    laps.end("compile")
    return lambda frames: typed_output(graph.network.head, network(frames))


def tensorflow_network(model: Path, _precision: FixedPrecision, images: Images, laps: Laps) -> Network:
    """As `posecli.engine.tensorflow.TensorFlowEngine` does it."""
    from posecli.support.tensorflow import import_tensorflow

    tf = import_tensorflow()
    from posecli.engine.keras_layers import build_with_weights
    from posecli.engine.outputs import Maps
    from posecli.model.folder import read_model_folder
    from posecli.network.folding import fold_batch_norm

    laps.end("import runtime")
    folder = read_model_folder(model)
    description, weights = fold_batch_norm(folder.description.network, folder.weights())
    laps.end("read model")
    network = build_with_weights(description, weights, images.shape[1:3])
    laps.end("build graph")
    signature = tf.TensorSpec((None, *images.shape[1:]), tf.uint8)
    function = tf.function(lambda frames: network(frames, training=False)).get_concrete_function(signature)
    laps.end("compile")

    def call(frames: Images) -> Maps:
        outputs = function(tf.convert_to_tensor(frames))
        return Maps(outputs["scoremap"].numpy(), outputs["locref"].numpy())

    return call


def summary(width: int, setting: str, rounds: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Medians over the rounds."""
    medians = {phase: statistics.median(done[phase] for done in rounds) for phase in PHASES}
    return {
        "width": width,
        "setting": setting,
        **medians,
        "all phases": statistics.median(sum(done[phase] for phase in PHASES) for done in rounds),
        "parity gate": statistics.median(done["parity gate"] for done in rounds),
        "command to table": statistics.median(done["table on disk"] for done in rounds),
    }


def report(facts: dict[str, Any], rounds: int, help_seconds: float, rows: list[dict[str, Any]]) -> str:
    """The result for people."""
    return (
        f"# Start-up, in seconds\n\n{facts['processor']}, {facts['cores']} cores, {facts['date']}; medians of {rounds} "
        f"rounds, taking turns; files lie in the page cache. A batch of {BATCH}. `parity gate` is measured on the "
        "whole video, besides the phases (fp32 needs none). `command to table` is the real command on a clip of "
        f"{FRAMES} frames, where the gate has no more to look at. `posecli --help` takes {help_seconds:.2f} s.\n\n"
        f"{markdown_table(rows)}"
    )


if __name__ == "__main__":
    main()
