"""Model files, settings and tables that mean harm: one sentence each, and neither code nor memory for them."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import make_dots_model
from support import labels, projects

from posecli.errors import ModelError, PoseCliError
from posecli.model.checkpoint import read_checkpoint, read_frozen_graph
from posecli.model.deeplabcut_project import find_source
from posecli.model.folder import MODEL_FILE, WEIGHTS_FILE, read_model_folder
from posecli.support.yamlfile import LARGEST_YAML_BYTES, read_yaml
from posecli.tables.hdf5 import read_plain_table


def one_sentence(error: pytest.ExceptionInfo[PoseCliError], path: Path) -> str:
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < 600 + len(str(path))
    return message


# YAML ----------------------------------------------------------------------------------------------------------------

LAUGHS = "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 30)
)
MERGES = "a0: &a0 {k0: 1}\n" + "".join(
    f"a{level}: &a{level} {{<<: [*a{level - 1}, *a{level - 1}], k{level}: 1}}\n" for level in range(1, 40)
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LAUGHS, "most of them by reference"),
        (MERGES, "most of them by reference"),
        ("a: &a [*a]\n", "refers to itself"),
        ("a: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("a: " + "{a: " * 5000, "nested too deeply"),
        ("a: !!python/object/apply:os.system ['exit 1']\n", "has the tag '!!python/object/apply:os.system' at line 1"),
        ("a: !!python/name:os.system\n", "has the tag '!!python/name:os.system' at line 1"),
        ("a: !!python/tuple {b: 1}\n", "has the tag '!!python/tuple' at line 1"),
        ("a: 1\nb: 2\na: 3\n", "has the key 'a' twice, again at line 3"),
        ("1: " + "x" * 5000 + "\n0x1: b\n", "is not plain YAML at line 2"),
        ("a: 2001-99-99\n", "holds an impossible value"),
        ("a: 0b_\n", "holds an impossible value"),
        ("a: " + "9" * 5000 + "\n", "holds an impossible value"),
        ("? [a, b]\n: 1\n--- x\n", "is not plain YAML"),
        ("\0", "is not plain YAML"),
        ("- a\n- b\n", "holds no settings"),
        ("a: " + "x" * LARGEST_YAML_BYTES, "too many for a settings file"),
    ],
    ids=range(17),
)
def test_yaml(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=words) as error:
        read_yaml(path, ModelError)
    one_sentence(error, path)


def test_yaml_with_ordinary_references_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("base: &base {x: 1}\nother: {<<: *base, y: 2}\nlist: [*base, *base]\n", encoding="utf-8")
    assert read_yaml(path, ModelError)["other"] == {"x": 1, "y": 2}


def test_devices_and_pipes_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "device.yaml").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.yaml")
    os.mkfifo(tmp_path / "pipe.h5")
    for path in (tmp_path / "device.yaml", tmp_path / "pipe.yaml"):
        with pytest.raises(ModelError, match="is not a file"):
            read_yaml(path, ModelError)
    with pytest.raises(ModelError, match="is not a file"):
        read_plain_table(tmp_path / "pipe.h5", ModelError)


# model.yaml ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "scorer: DLC_../../../etc/passwd",
        'scorer: "DLC_a\\nb"',
        "scorer: DLC_" + "x" * 300,
        "scorer: [DLC_x]",
        "weights_sha256: 7",
        "source: text",
        "pcutoff: many",
        "pcutoff: .nan",
        "location_refinement: perhaps",
        "locref_stdev: 0x" + "f" * 4000,
        "stride: 0x" + "f" * 4000,
        "bodyparts: {a: 1}\nnet_type: [resnet_50]",
        "bodyparts: [" + ", ".join(["same"] * 20_000) + "]",
        "net_type: " + "x" * 5000,
        "unknown_key: 1",
        "1: 2",
    ],
    ids=range(16),
)
def test_description(line: str, tmp_path: Path) -> None:
    path = make_dots_model(tmp_path / "model").path / MODEL_FILE
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(ModelError) as error:
        read_model_folder(path.parent)
    one_sentence(error, path)


# Weights -------------------------------------------------------------------------------------------------------------


def header(**tensors: object) -> bytes:
    text = json.dumps(tensors).encode()
    return len(text).to_bytes(8, "little") + text


def tensor(shape: list[int], offsets: list[int], dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        (1 << 40).to_bytes(8, "little") + b"{}",
        (5 << 20).to_bytes(8, "little") + b" " * (5 << 20),
        header(a=tensor([1 << 40], [0, 1 << 42])),
        header(a=tensor([-4], [0, -16])) + bytes(16),
        header(a=tensor([4], [0, 16]), b=tensor([4], [8, 24])) + bytes(24),
        header(a=tensor([4], [16, 0])) + bytes(16),
        header(a=tensor([1 << 62, 1 << 62], [0, 16])) + bytes(16),
        header(a=tensor([4], [0, 16], "OBJECT")) + bytes(16),
        header(a=5),
        len(b"[" * 9000).to_bytes(8, "little") + b"[" * 9000,
    ],
    ids=range(12),
)
def test_weights(content: bytes, tmp_path: Path) -> None:
    model = make_dots_model(tmp_path / "model")
    (model.path / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(ModelError) as error:
        model.weights()
    one_sentence(error, model.path / WEIGHTS_FILE)


def test_weights_of_a_sparse_terabyte(tmp_path: Path) -> None:
    model = make_dots_model(tmp_path / "model")
    with (model.path / WEIGHTS_FILE).open("r+b") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(ModelError, match="which no network's have"):
        model.weights()


# DeepLabCut ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Task", "../../../../secret/reach"),
        ("Task", "x" * 5000),
        ("date", "Nov20/../../.."),
        ("iteration", "'0/../..'"),
        ("iteration", "[0]"),
        ("TrainingFraction", "[" + "9" * 4000 + "]"),
        ("snapshotindex", "0x" + "f" * 4000),
    ],
)
def test_project_cannot_lead_out_of_its_folder(key: str, value: str, tmp_path: Path) -> None:
    values = {"Task": "reach", "date": "Nov20", "iteration": "0", "TrainingFraction": "[0.95]"} | {key: value}
    path = tmp_path / "config.yaml"
    path.write_text("".join(f"{name}: {text}\n" for name, text in values.items()), encoding="utf-8")
    (tmp_path / "dlc-models" / "iteration-0" / "reachNov20-trainset95shuffle1").mkdir(parents=True)
    with pytest.raises(ModelError) as error:
        find_source(path)
    one_sentence(error, path)


def test_checkpoint_whose_tensor_claims_another_shape(tmp_path: Path) -> None:
    large: projects.Tensors = {"a/weights": np.zeros((40, 30), np.float32)}
    prefix = projects.write_checkpoint(tmp_path / "train" / "snapshot-7", large)
    with pytest.raises(ModelError, match=r"'a/weights' of shape \(40, 30\) where \(2,\) is needed"):
        read_checkpoint(prefix, {"a/weights": (2,)})
    with prefix.with_name("snapshot-7.index").open("r+b") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(ModelError, match=r"bytes, more than any network's"):
        read_checkpoint(prefix, {"a/weights": (2,)})


def test_graph_whose_constant_claims_a_shape_of_terabytes(tmp_path: Path) -> None:
    from tensorflow.core.framework import graph_pb2

    graph = graph_pb2.GraphDef()
    node = graph.node.add(name="a/weights", op="Const")
    node.attr["value"].tensor.dtype = 1
    node.attr["value"].tensor.float_val.append(1.0)
    node.attr["value"].tensor.tensor_shape.dim.add(size=1 << 42)
    path = tmp_path / "snapshot-7.pb"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelError, match=r"of shape \(4398046511104,\) where \(2, 3\) is needed"):
        read_frozen_graph(path, {"a/weights": (2, 3)})
    node.attr["value"].tensor.tensor_shape.dim[0].size = 2
    node.attr["value"].tensor.tensor_content = b"123"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelError, match=r"is not a frozen TensorFlow graph"):
        read_frozen_graph(path, {"a/weights": (2,)})


# Tables --------------------------------------------------------------------------------------------------------------


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "poses.h5"
    labels.label_frame(labels.dots(2), ["a.png", "b.png"]).reset_index(drop=True).to_hdf(
        str(path), key="df_with_missing", format="table"
    )
    assert read_plain_table(path, ModelError).values.shape[0] == 2
    return path


def set_columns(table: Path, content: bytes) -> None:
    with h5py.File(table, "r+") as file:
        file["df_with_missing/table"].attrs["values_block_0_kind"] = np.void(content)


@pytest.mark.parametrize("protocol", range(6))
def test_pickle_in_a_table_is_never_run(protocol: int, table: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    content = pickle.dumps([Malicious(mark)], protocol)
    set_columns(table, content)
    with h5py.File(table, "r+") as file:
        for name in ("levels", "info", "non_index_axes", "data_columns", "encoding"):
            file["df_with_missing"].attrs[name] = np.void(content)
        file.attrs["title"] = np.void(content)
    with pytest.raises(ModelError, match=r"its column names (are objects of type|hold more than text)") as error:
        read_plain_table(table, ModelError)
    one_sentence(error, table)
    assert not mark.exists()
    pickle.loads(content)  # it would have
    assert mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04]r\xff\xff\xff\x7f.",  # 34 GB for the unpickler's memory
        b"]p2147483647\n.",
        b"\x80\x04]" + b"(" * 50_000 + b".",
        b"\x80\x04](" + b"2\x86" * 60 + b"e.",
        pickle.dumps([("a", [1])]),
        pickle.dumps("text"),
        pickle.dumps([{"a": 1}]),
        b"\x80\x04]\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\xff",
    ],
    ids=range(9),
)
def test_column_names_of_a_table(content: bytes, table: Path) -> None:
    set_columns(table, content)
    with pytest.raises(ModelError) as error:
        read_plain_table(table, ModelError)
    one_sentence(error, table)


def claim_shape(table: Path) -> None:
    with h5py.File(table, "r+") as file:
        old = file["df_with_missing/table"]
        attributes, kind = dict(old.attrs), old.dtype
        del file["df_with_missing/table"]
        new = file["df_with_missing"].create_dataset("table", (1 << 40,), kind, chunks=(1 << 16,), compression="gzip")
        new.attrs.update(attributes)


def link_to_another_file(table: Path) -> None:
    other = table.with_name("other.h5")
    other.write_bytes(table.read_bytes())
    with h5py.File(table, "w") as file:
        file["df_with_missing"] = h5py.ExternalLink(str(other), "/df_with_missing")


def soft_link(table: Path) -> None:
    with h5py.File(table, "r+") as file:
        file.move("df_with_missing/table", "elsewhere")
        file["df_with_missing/table"] = h5py.SoftLink("/elsewhere")


def data_in_another_file(table: Path) -> None:
    with h5py.File(table, "r+") as file:
        old = file["df_with_missing/table"]
        attributes, kind = dict(old.attrs), old.dtype
        del file["df_with_missing/table"]
        place = [("/etc/passwd", 0, 2 * kind.itemsize)]
        new = file["df_with_missing"].create_dataset("table", (2,), kind, external=place)
        new.attrs.update(attributes)


def text_for_numbers(table: Path) -> None:
    with h5py.File(table, "r+") as file:
        attributes = dict(file["df_with_missing/table"].attrs)
        del file["df_with_missing/table"]
        kind = np.dtype([("index", "S8"), ("values_block_0", "S8", (6,))])
        file["df_with_missing/table"] = np.zeros(2, kind)
        file["df_with_missing/table"].attrs.update(attributes)


def group_for_an_array(table: Path) -> None:
    with h5py.File(table, "r+") as file:
        del file["df_with_missing/table"]
        file["df_with_missing"].create_group("table")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (claim_shape, "claims shape"),
        (link_to_another_file, "is a link"),
        (soft_link, "is a link"),
        (data_in_another_file, "lies in another file"),
        (text_for_numbers, "not numbers"),
        (group_for_an_array, "is not an array"),
    ],
)
def test_tables_that_claim_too_much(harm: Callable[[Path], None], words: str, table: Path) -> None:
    harm(table)
    with pytest.raises(ModelError, match=words) as error:
        read_plain_table(table, ModelError)
    one_sentence(error, table)
