"""What is read of a ``pytorch_config.yaml``, and which networks are refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from support.projects import BODYPARTS
from support.pytorch_projects import PYTORCH_CONFIG, with_changes

from posecli.errors import ModelError
from posecli.model.description import ModelDescription
from posecli.model.pytorch_config import PyTorchConfig

HEAD = "model.heads.bodypart"
WITH_DECONVOLUTIONS = {"channels": [128, 16, 4], "kernel_size": [4, 3], "strides": [4, 2]}
PEAKS = {
    "type": "PartAffinityFieldPredictor",
    "num_animals": 1,
    "num_multibodyparts": 4,
    "num_uniquebodyparts": 0,
    "nms_radius": 5,
    "sigma": 1.0,
    "locref_stdev": 7.25,
}
PART_AFFINITY = {
    "type": "DLCRNetHead",
    "predictor": PEAKS,
    "heatmap_config": {"channels": [2304, 4], "kernel_size": [3], "strides": [2]},
    "locref_config": {"channels": [2304, 8], "kernel_size": [3], "strides": [2]},
    "paf_config": {"channels": [2304, 12], "kernel_size": [3], "strides": [2]},
    "num_stages": 5,
}
FINAL = {"channels": [128], "kernel_size": [], "strides": [], "final_conv": {"out_channels": 4, "kernel_size": 1}}


def described(changes: dict[str, Any]) -> ModelDescription:
    config = PyTorchConfig(with_changes(PYTORCH_CONFIG, changes), "'pytorch_config.yaml'")
    return config.describe("DLC_x", 0.4, {"tool": "test"})


def test_network_of_a_project() -> None:
    found = described({})
    assert (found.net_type, found.bodyparts, found.stride) == ("cspnext_s", BODYPARTS, 16.0)
    assert (found.location_refinement, found.locref_stdev) == (True, 7.2801)
    assert found.mean_pixel == pytest.approx((123.675, 116.28, 103.53))
    assert found.std_pixel == pytest.approx((58.395, 57.12, 57.375))
    layers = {"kernels": [3], "strides": [2]}
    assert found.layout == {
        "deepen_factor": 0.33,
        "widen_factor": 0.125,
        "heads": {
            "scoremap": {"maps": 4, "channels": [4], **layers},
            "locref": {"maps": 8, "channels": [8], **layers},
            "sigmoid": False,
            "clip_scores": True,
        },
    }
    assert found.source == {
        "tool": "test",
        "net_type": "cspnext_s",
        "training_scales": "0.5 to 1.25",
        "training_crop": "448x448",
    }
    assert found.network.head.outputs == ("scoremap", "locref")


@pytest.mark.parametrize(
    ("changes", "net_type", "layout", "stride"),
    [
        ({"type": "ResNet", "model_name": "resnet50_gn", "output_stride": 16}, "resnet50_gn", {"output_stride": 16}, 8),
        ({"type": "ResNet"}, "resnet50", {"output_stride": 32}, 16),  # as DeepLabCut's own code assumes
        ({"type": "HRNet", "model_name": "hrnet_w48", "interpolate_branches": False}, "hrnet_w48", {}, 2),
        (
            {"type": "HRNet", "increased_channel_count": True, "interpolate_branches": True},
            "hrnet_w32",
            {"increased_channel_count": True, "interpolate_branches": True},
            2,
        ),
        ({"type": "CSPNeXt"}, "cspnext_m", {"deepen_factor": 0.67, "widen_factor": 0.75}, 16),
    ],
)
def test_architecture_is_read_from_the_backbone(
    changes: dict[str, Any], net_type: str, layout: dict[str, Any], stride: int
) -> None:
    # The net type is a name for people, which may be wrong.
    found = described({"model.backbone": changes, "net_type": "resnet_50"})
    assert (found.net_type, found.stride) == (net_type, stride)
    assert {name: value for name, value in found.layout.items() if name != "heads"} == layout


@pytest.mark.parametrize(
    ("changes", "layers", "stride"),
    [
        ({f"{HEAD}.heatmap_config": WITH_DECONVOLUTIONS}, {"channels": [16, 4], "kernels": [4, 3]}, 4),
        ({f"{HEAD}.heatmap_config": FINAL}, {"channels": [], "final_kernel": 1}, 32),
        (
            {f"{HEAD}.heatmap_config": {**FINAL, "channels": [128, 16], "kernel_size": [1], "strides": [1]}},
            {"maps": 4, "channels": [16], "final_kernel": 1},
            32,
        ),
    ],
)
def test_heads_of_any_layers(changes: dict[str, Any], layers: dict[str, Any], stride: int) -> None:
    found = described({**changes, f"{HEAD}.predictor.location_refinement": False})
    scoremap = found.layout["heads"]["scoremap"]
    assert {name: scoremap[name] for name in layers} == layers
    assert found.stride == stride
    assert not found.location_refinement
    assert "locref" not in found.layout["heads"]


@pytest.mark.parametrize(("stages", "stride"), [(5, 4), (0, 8)])
def test_part_affinity_fields_of_one_animal(stages: int, stride: int) -> None:
    backbone = {"type": "DLCRNet", "model_name": "resnet50", "output_stride": 16}
    found = described({"model.backbone": backbone, HEAD: {**PART_AFFINITY, "num_stages": stages}})
    assert (found.net_type, found.stride, found.locref_stdev) == ("dlcrnet_resnet50", stride, 7.25)
    heads = found.layout["heads"]
    assert heads["blur"] == {"sigma": 1.0, "radius": 5}
    assert (heads["sigmoid"], heads["clip_scores"]) == (True, False)
    assert heads.get("refinement") == ({"fields": 12, "stages": 5, "features": 128} if stages else None)


def test_predictor_s_settings_and_what_deeplabcut_assumes() -> None:
    found = described({f"{HEAD}.predictor": {"type": "HeatmapPredictor"}})
    assert {name: found.layout["heads"][name] for name in ("sigmoid", "clip_scores")} == {
        "sigmoid": True,
        "clip_scores": False,
    }
    assert found.locref_stdev == 7.2801
    assert described({f"{HEAD}.predictor.locref_std": 5}).locref_stdev == 5.0


@pytest.mark.parametrize(
    ("inference", "mean", "std"),
    [
        ({"normalize_images": True}, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
        ({"normalize_images": False}, (0, 0, 0), (1, 1, 1)),
        ({"normalize_images": False, "scale_to_unit_range": True}, (0, 0, 0), (255, 255, 255)),
        ({}, (0, 0, 0), (1, 1, 1)),
    ],
)
def test_normalization(inference: Any, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    found = described({"data.inference": inference})
    assert found.mean_pixel == pytest.approx(mean)
    assert found.std_pixel == pytest.approx(std)


@pytest.mark.parametrize(
    "padding",
    [
        {"pad_width_divisor": 32, "pad_height_divisor": 32},
        {"pad_width_divisor": 32, "pad_height_divisor": 32, "position": "random", "border_mode": "reflect_101"},
        {"pad_width_divisor": 32, "pad_height_divisor": 32, "min_height": None, "position": "top_left"},
    ],
)
def test_padding(padding: dict[str, Any]) -> None:
    found = described({"data.inference.auto_padding": padding})
    assert found.layout["heads"]["pad_to"] == 32


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "ctd"}, ["a conditional top-down network", "not supported", "resnet_50"]),
        ({"method": "fly"}, ["the method 'fly'"]),
        ({"metadata.individuals": ["a", "b", "c"]}, ["a network for 3 animals", "train a bottom-up network for one"]),
        ({"metadata.unique_bodyparts": ["corner"]}, ["unique body parts"]),
        ({"model.heads.identity": {}}, ["an identity head"]),
        ({"model.heads.unique_bodypart": {}}, ["unique body parts"]),
        ({"model.heads": {}}, ["a head of type 'None'"]),
        ({f"{HEAD}.type": "DLCRNetHead"}, ["poses found by a 'HeatmapPredictor'"]),
        ({HEAD: PART_AFFINITY | {"predictor": PEAKS | {"num_animals": 3}}}, ["part-affinity fields for 3 animals"]),
        ({HEAD: PART_AFFINITY | {"predictor": PEAKS | {"num_uniquebodyparts": 1}}}, ["unique body parts"]),
        ({f"{HEAD}.type": "DEKRHead"}, ["a DEKR head"]),
        ({f"{HEAD}.type": "TransformerHead"}, ["a transformer head"]),
        ({f"{HEAD}.type": "NewHead"}, ["a head of type 'NewHead'"]),
        ({f"{HEAD}.predictor.type": "PartAffinityFieldPredictor"}, ["poses found by a 'PartAffinityFieldPredictor'"]),
        ({"model.neck": {"type": "Transformer"}}, ["a neck of type 'Transformer'"]),
        ({"model.backbone.type": "HRNetCoAM"}, ["a backbone of type 'HRNetCoAM'"]),
        ({"model.backbone.model_name": "cspnext_q"}, ["the backbone 'cspnext_q'", "posecli runs", "cspnext_m"]),
        ({"data.colormode": "BGR"}, ["the colour mode 'BGR'", "RGB"]),
        ({"data.inference.resize": {"height": 256, "width": 256}}, ["frames that are changed", "'resize'"]),
        ({"data.inference.hist_eq": True}, ["frames that are changed", "'hist_eq'"]),
        ({"data.inference.auto_padding": {"position": "center"}}, ["padded with another position than random"]),
        ({"data.inference.auto_padding": {"border_mode": "constant"}}, ["padded with another border_mode"]),
        ({"data.inference.auto_padding": {"min_height": 512}}, ["padded by ['min_height']"]),
        ({"data.inference.auto_padding": {"pad_height_divisor": 32}}, ["padded by {1, 32}"]),
    ],
    ids=range(24),
)
def test_networks_that_are_not_supported(changes: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ModelError) as error:
        described(changes)
    message = str(error.value)
    assert message.startswith("'pytorch_config.yaml' describes ")
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metadata.bodyparts": None}, "not a usable pytorch_config.yaml"),
        ({"metadata.bodyparts": ["a", True, "b", "c"]}, "is True, not a name"),
        ({"metadata.bodyparts": ["a", "b"]}, "make 4 maps for 2 body parts"),
        ({f"{HEAD}.heatmap_config": None}, "not a usable pytorch_config.yaml"),
        ({f"{HEAD}.heatmap_config.kernel_size": [3, 3]}, "do not fit one"),
        ({f"{HEAD}.heatmap_config.channels": "many"}, "a head's layers"),
        ({f"{HEAD}.heatmap_config.strides": [1 << 80]}, "a head's layers are impossible"),
        ({f"{HEAD}.locref_config": None}, "not a usable pytorch_config.yaml"),
        ({f"{HEAD}.predictor.locref_std": "much"}, "not a usable pytorch_config.yaml"),
        ({f"{HEAD}.predictor.locref_std": 0}, "locref_stdev 0.0 is not a positive number"),
        ({f"{HEAD}.predictor.apply_sigmoid": "perhaps"}, "is not true or false"),
        ({"model.backbone.widen_factor": "wide"}, "widen_factor"),
        ({"model.backbone.arch": "P6"}, "a CSPNeXt with arch 'P6'"),
        ({"model.backbone": {"type": "ResNet", "model_name": "resnet50", "output_stride": 5}}, "output_stride 5"),
        ({"model.backbone": {"type": "HRNet", "stride": 2}}, "an HRNet of stride 2"),
        ({"data.inference.auto_padding": {"pad_height_divisor": "x", "pad_width_divisor": "x"}}, "not a usable"),
        ({"data.inference": None}, "data.inference is None, not what is done to frames"),
        ({"data": {"normalize_images": True}}, "data.inference is None"),
        ({"data.train.affine.scaling": ["a", 1]}, "not a usable pytorch_config.yaml"),
    ],
    ids=range(19),
)
def test_damaged_settings(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError) as error:
        described(changes)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
