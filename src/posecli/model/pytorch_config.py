"""What a ``pytorch_config.yaml`` of DeepLabCut says of a network.

The architecture is read from what the file says of backbone and head, never from its net type, which is a name for
people. A backbone, head or detector of another type is a function in `BACKBONES`, `HEADS` or `DETECTORS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from posecli.errors import ModelError
from posecli.model.description import ModelDescription, TopDown
from posecli.model.detector import DetectorDescription
from posecli.network.architectures import DETECTORS as DETECTOR_NETWORKS
from posecli.network.architectures import POSE_NETWORKS
from posecli.network.dlcrnet import PREFIX as DLCRNET_PREFIX
from posecli.network.map_head import LOCREF, SCOREMAP
from posecli.network.network import LOCREF_STDEV
from posecli.support.yamlfile import brief, name_of, truth_of

Section: TypeAlias = Mapping[str, Any]

#: Of RGB in 0..255: what is subtracted, and what the rest is divided by, where a file asks for normal images.
NORMAL_MEAN, NORMAL_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
#: Settings of ``auto_padding`` that posecli's own padding stands for: a random place is as good as the end.
PADDING_SETTINGS = {"position": ("random", "top_left"), "border_mode": ("reflect_101",)}
#: What may stand in ``data.inference``.
INFERENCE_SETTINGS = frozenset({"auto_padding", "normalize_images", "scale_to_unit_range", "top_down_crop", "collate"})
#: Kinds of networks and of heads that posecli does not run, in words.
OTHER_METHODS = {"ctd": "a conditional top-down network, which refines other poses"}
OTHER_HEADS = {
    "DEKRHead": "a DEKR head, which is for several animals",
    "TransformerHead": "a transformer head",
}
#: Crops of animals, where the file does not say how they are made.
CROP_DEFAULTS = {"width": 256, "height": 256, "margin": 0}
#: Of a detector's boxes, where the file names none.
LEAST_SCORE = 0.01
#: Activations of PyTorch.
ACTIVATIONS = {"SiLU": "swish", "ReLU": "relu"}
ADVICE = "train a bottom-up network for one animal instead, such as resnet_50 or hrnet_w32"


@dataclass(frozen=True)
class PyTorchConfig:
    """A ``pytorch_config.yaml``, or what an exported model has of it."""

    content: Section
    where: str  # the file, for messages

    def section(self, *keys: str) -> Section:
        """A part of it; empty where there is none."""
        found: Any = self.content
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found if isinstance(found, Mapping) else {}

    @property
    def net_type(self) -> str:
        """DeepLabCut's name of the network, as its releases of today spell it."""
        name = str(self.content.get("net_type", "")).removeprefix("top_down_")
        return {"dlcrnet_ms5": "dlcrnet_stride16_ms5"}.get(name, name)

    @property
    def method(self) -> str:
        """How animals are found: ``bu`` for the whole frame, ``td`` for boxes in it, ``ctd`` for other poses."""
        return str(self.content.get("method", "bu")).lower()

    def refusal(self, what: str, advice: str = ADVICE) -> ModelError:
        """The error of a network that is not run."""
        return ModelError(f"{self.where} describes {what}, which is not supported: {advice}")

    def describe(self, scorer: str, pcutoff: float | None, source: Section) -> ModelDescription:
        """The network; `ModelError` if posecli does not run it, or the file is damaged."""
        self._check_kind()
        try:
            return ModelDescription(
                bodyparts=tuple(name_of(name) for name in self.section("metadata")["bodyparts"]),
                scorer=scorer,
                pcutoff=pcutoff,
                source=dict(source) | self._about(),
                top_down=self._crop() if self.method == "td" else None,
                **self._network(),
            )
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise ModelError(
                f"{self.where} is not a usable pytorch_config.yaml ({brief(str(error))}): copy it again"
            ) from error

    def describe_detector(self, scorer: str, source: Section) -> DetectorDescription | None:
        """What finds the animal for a top-down network; ``None`` if posecli does not run it.

        A `ModelError` if the file is damaged.
        """
        detector = self.section("detector", "model")
        if detector.get("type") not in DETECTORS:
            return None
        colors = self.section("detector", "data").get("colormode", "RGB")
        if colors != "RGB":
            raise self.refusal(f"a detector for the colour mode {brief(colors)}", "train it on RGB, as DeepLabCut does")
        try:
            net_type, layout = DETECTORS[str(detector["type"])](detector)
            if net_type not in DETECTOR_NETWORKS:
                return None
            mean, std = self._normalization("detector", "data", "inference")
            return DetectorDescription(net_type, scorer, mean, std, layout, dict(source))
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise ModelError(
                f"{self.where} does not describe a usable detector ({brief(str(error))}): copy it again"
            ) from error

    @property
    def detector_name(self) -> str:
        """DeepLabCut's name of the detector."""
        detector = self.section("detector", "model")
        return " ".join(str(detector.get("variant") or detector.get("type")).split())[:80]

    def _crop(self) -> TopDown:
        """What becomes of an animal's box."""
        given = self.section("data", "inference", "top_down_crop")
        if truth_of(given.get("crop_with_context", True)) is not True:
            raise self.refusal("crops that do not show what is around the animal", "set crop_with_context to true")
        return TopDown(**{name: given.get(name, default) for name, default in CROP_DEFAULTS.items()})

    def _network(self) -> dict[str, Any]:
        net_type, layout = self._backbone()
        mean, std = self._normalization("data", "inference")
        heads, stdev = HEADS[str(self.head["type"])](self)
        heads |= {"pad_to": pad_to} if (pad_to := self._pad_to()) > 1 else {}
        refinement = {"location_refinement": stdev is not None} | ({} if stdev is None else {"locref_stdev": stdev})
        return {
            "net_type": net_type,
            "mean_pixel": mean,
            "std_pixel": std,
            "layout": layout | {"heads": heads},
            **refinement,
        }

    @property
    def head(self) -> Section:
        """What it says of the head for body parts."""
        return self.section("model", "heads", "bodypart")

    def _check_kind(self) -> None:
        metadata, heads = self.section("metadata"), self.section("model", "heads")
        individuals, unique = metadata.get("individuals") or [], metadata.get("unique_bodyparts") or []
        if self.method not in ("bu", "td"):
            raise self.refusal(OTHER_METHODS.get(self.method, f"the method {brief(self.method)}"))
        if isinstance(individuals, list) and len(individuals) > 1:
            raise self.refusal(f"a network for {len(individuals)} animals")
        if unique or "unique_bodypart" in heads:
            raise self.refusal("a network with unique body parts, which are for several animals")
        if "identity" in heads:
            raise self.refusal("a network with an identity head, which is for several animals")
        kind = str(self.head.get("type"))
        if kind not in HEADS:
            raise self.refusal(OTHER_HEADS.get(kind, f"a head of type {brief(kind)}"))
        if neck := self.section("model", "neck"):
            raise self.refusal(f"a network with a neck of type {brief(neck.get('type'))}")
        colors = self.section("data").get("colormode", self.content.get("color_mode", "RGB"))
        if colors != "RGB":
            raise self.refusal(f"a network for the colour mode {brief(colors)}", "train it on RGB, as DeepLabCut does")

    def _backbone(self) -> tuple[str, dict[str, Any]]:
        """Net type, and what else the architecture must know."""
        backbone = self.section("model", "backbone")
        kind = str(backbone.get("type"))
        if kind not in BACKBONES:
            raise self.refusal(f"a backbone of type {brief(kind)}")
        net_type, layout = BACKBONES[kind](backbone)
        if net_type not in POSE_NETWORKS:
            raise self.refusal(f"the backbone {brief(net_type)}", f"posecli runs {', '.join(POSE_NETWORKS)}")
        return net_type, layout

    def _normalization(self, *section: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Mean and factor of RGB in 0..255, as a section says what is done to pictures."""
        settings = self.section(*section[:-1]).get(section[-1])
        if not isinstance(settings, Mapping):  # as before the first release; to take a guess would spoil all poses
            raise ValueError(f"{'.'.join(section)} is {brief(settings)}, not what is done to frames")
        for name, value in settings.items():
            if truth_of(value) not in (None, False) and name not in INFERENCE_SETTINGS:
                raise self.refusal(f"frames that are changed before the network sees them ({brief(name)})")
        normal, unit = (truth_of(settings.get(name)) for name in ("normalize_images", "scale_to_unit_range"))
        factor = 255.0 if unit else 1.0
        if not normal:
            return (0.0, 0.0, 0.0), (factor, factor, factor)
        red, green, blue = (factor * std for std in NORMAL_STD)
        return NORMAL_MEAN, (red, green, blue)

    def _pad_to(self) -> int:
        """What must divide the sides of frames."""
        settings = {key: value for key, value in self.section("data", "inference", "auto_padding").items() if value}
        for name, known in PADDING_SETTINGS.items():
            if settings.pop(name, known[0]) not in known:
                raise self.refusal(f"frames that are padded with another {name} than {' or '.join(known)}")
        sides = {settings.pop(f"pad_{side}_divisor", 1) for side in ("height", "width")}
        if len(sides) > 1 or settings:
            raise self.refusal(f"frames that are padded by {brief(sorted(map(str, settings)) or sides)}")
        return int(sides.pop())

    def _about(self) -> dict[str, Any]:
        """What is known of the training, for people."""
        scales = self.section("data", "train", "affine").get("scaling")
        about: dict[str, Any] = {"net_type": self.net_type}
        if isinstance(scales, list) and len(scales) == 2:
            about["training_scales"] = " to ".join(f"{float(scale):g}" for scale in scales)
        if crop := self.section("data", "train", "crop_sampling"):
            about["training_crop"] = f"{int(crop['width'])}x{int(crop['height'])}"
        return about


def _resnet(backbone: Section) -> tuple[str, dict[str, Any]]:
    return str(backbone.get("model_name", "resnet50")), {"output_stride": backbone.get("output_stride", 32)}


def _dlcrnet(backbone: Section) -> tuple[str, dict[str, Any]]:
    net_type, layout = _resnet(backbone)
    return f"{DLCRNET_PREFIX}{net_type}", layout


def _hrnet(backbone: Section) -> tuple[str, dict[str, Any]]:
    if backbone.get("stride", 4) != 4:
        raise ValueError(f"an HRNet of stride {brief(backbone['stride'])}")
    names = ("interpolate_branches", "increased_channel_count")
    layout = {name: True for name in names if truth_of(backbone.get(name))}
    return str(backbone.get("model_name", "hrnet_w32")), layout


def _cspnext(backbone: Section) -> tuple[str, dict[str, Any]]:
    for name, known in (("arch", "P5"), ("out_indices", -1)):
        if backbone.get(name, known) != known:
            raise ValueError(f"a CSPNeXt with {name} {brief(backbone[name])}")
    layout = {"deepen_factor": backbone.get("deepen_factor", 0.67), "widen_factor": backbone.get("widen_factor", 0.75)}
    layout |= {
        name: backbone[name] for name in ("expand_ratio", "channel_attention", "activation_fn") if name in backbone
    }
    return str(backbone.get("model_name", "cspnext_m")), layout


def _part_affinity_heads(config: PyTorchConfig) -> tuple[dict[str, Any], float | None]:
    """Layers of a head that makes maps of limbs too, by which several animals are told apart, for one animal.

    DeepLabCut then takes the best peak of each body part's blurred scores, whatever the maps of limbs say.
    """
    head = config.head
    predictor: Section = head.get("predictor") or {}
    if predictor.get("type") != "PartAffinityFieldPredictor":
        raise config.refusal(f"poses found by a {brief(predictor.get('type'))}")
    if predictor["num_animals"] != 1:
        raise config.refusal(f"part-affinity fields for {brief(predictor['num_animals'])} animals")
    if predictor.get("num_uniquebodyparts"):
        raise config.refusal("a network with unique body parts, which are for several animals")
    layout: dict[str, Any] = {SCOREMAP: _layers(head["heatmap_config"]), LOCREF: _layers(head["locref_config"])}
    layout["blur"] = {"sigma": predictor["sigma"], "radius": predictor["nms_radius"]}
    if stages := head.get("num_stages", 5):
        fields = head["paf_config"]["channels"][-1]
        layout["refinement"] = {"fields": fields, "stages": stages, "features": head.get("features_dim", 128)}
    return layout | _score_settings(predictor), float(predictor["locref_stdev"])


def _map_heads(config: PyTorchConfig) -> tuple[dict[str, Any], float | None]:
    """Layers of a head that makes maps, as `posecli.network.map_head` has them."""
    head = config.head
    predictor: Section = head.get("predictor") or {}
    if predictor.get("type") != "HeatmapPredictor":
        raise config.refusal(f"poses found by a {brief(predictor.get('type'))}")
    layout: dict[str, Any] = {SCOREMAP: _layers(head["heatmap_config"])}
    has_locref = truth_of(predictor.get("location_refinement", True))
    if has_locref:
        layout[LOCREF] = _layers(head["locref_config"])
    return layout | _score_settings(predictor), float(predictor.get("locref_std", LOCREF_STDEV)) if has_locref else None


def _score_settings(predictor: Section) -> dict[str, Any]:
    """What is done to scores."""
    known = (("sigmoid", "apply_sigmoid", True), ("clip_scores", "clip_scores", False))
    return {name: truth_of(predictor.get(key, default)) for name, key, default in known}


def _axes_head(config: PyTorchConfig) -> tuple[dict[str, Any], float | None]:
    """Layers of a head that looks along the axes of a crop, as `posecli.network.axes_head` has them."""
    head = config.head
    predictor, attention = head["predictor"], head["gau_cfg"]
    if predictor.get("type") != "SimCCPredictor":
        raise config.refusal(f"poses found by a {brief(predictor.get('type'))}")
    if truth_of(attention.get("use_rel_bias")) or truth_of(attention.get("pos_enc")):
        raise config.refusal("a head whose attention knows the places of tokens")
    if head["simcc_split_ratio"] != predictor.get("simcc_split_ratio", 2.0):
        raise ValueError(f"simcc_split_ratio {brief(head['simcc_split_ratio'])} of the head is not the predictor's")
    (width, height), sigma = head["input_size"], predictor.get("sigma", 6.0)
    crop = CROP_DEFAULTS | dict(config.section("data", "inference", "top_down_crop"))
    if (crop["width"], crop["height"]) != (width, height):
        # As in what DeepLabCut 3.0.2 writes for rtmpose_x, which fails there too.
        raise config.refusal(
            f"crops of {brief(crop['width'])}x{brief(crop['height'])} px for a head that takes "
            f"{brief(width)}x{brief(height)} px",
            "set data.inference.top_down_crop to the head's input_size",
        )
    normalized, beta = bool(truth_of(predictor.get("normalize_outputs", False))), predictor.get("decode_beta", 150.0)
    sigmas = sigma if isinstance(sigma, list) else [sigma, sigma]
    axes = {
        "size": [height, width],
        "cells_per_px": head["simcc_split_ratio"],
        "factors": [1.0, 1.0] if normalized else [each * beta for each in sigmas],
        "softmax": truth_of(predictor.get("apply_softmax", True)),
        "normalized": normalized,
        "final_kernel": head["final_layer_kernel_size"],
        "hidden": attention["hidden_dims"],
        "attention": attention["s"],
        "expansion": attention["expansion_factor"],
        "activation": ACTIVATIONS[attention["act_fn"]],
    }
    return {"axes": axes}, None


def _ssdlite(detector: Section) -> tuple[str, dict[str, Any]]:
    return "ssdlite", {"tail": 160 if truth_of(detector.get("pretrained_from_imagenet")) else 80}


def _faster_rcnn(detector: Section) -> tuple[str, dict[str, Any]]:
    least = detector.get("box_score_thresh")
    net_type = str(detector.get("variant", "fasterrcnn_mobilenet_v3_large_fpn"))
    return net_type, {"least_score": LEAST_SCORE if least is None else float(least)}


def _layers(config: Section) -> dict[str, Any]:
    channels, final = list(config["channels"]), config.get("final_conv")
    layers = {"maps": channels[-1] if final is None else final["out_channels"], "channels": channels[1:]}
    layers |= {"kernels": list(config["kernel_size"]), "strides": list(config["strides"])}
    return layers if final is None else layers | {"final_kernel": final["kernel_size"]}


#: What is read of each type of backbone: the net type, and what else the architecture must know.
BACKBONES: dict[str, Callable[[Section], tuple[str, dict[str, Any]]]] = {
    "ResNet": _resnet,
    "DLCRNet": _dlcrnet,
    "HRNet": _hrnet,
    "CSPNeXt": _cspnext,
}
#: What is read of each type of head: its layout, and px per unit of location refinement, if there is any.
HEADS: dict[str, Callable[[PyTorchConfig], tuple[dict[str, Any], float | None]]] = {
    "HeatmapHead": _map_heads,
    "DLCRNetHead": _part_affinity_heads,
    "RTMCCHead": _axes_head,
}
#: What is read of each type of detector, as of backbones.
DETECTORS: dict[str, Callable[[Section], tuple[str, dict[str, Any]]]] = {
    "SSDLite": _ssdlite,
    "FasterRCNN": _faster_rcnn,
}
