"""The generated part of ``classify.md``: what was measured of the network for behaviours."""

from __future__ import annotations

from typing import Any

from speed_tables import markdown, read_result

NOT_YET = "*Not measured yet.*"


def classify_blocks() -> dict[str, str]:
    """Blocks of the page, by name."""
    accuracy, long = read_result("behaviour-accuracy"), read_result("long-behaviours")
    parts = [accuracy_text(accuracy) if accuracy else NOT_YET, long_text(long) if long else ""]
    return {"classify": "\n\n".join(part for part in parts if part)}


def accuracy_text(result: dict[str, Any]) -> str:
    """Balanced accuracy in each precision."""
    facts, model, videos = result["machine"], result["model"], result["videos"]
    largest = result["largest logit difference, OpenVINO against Keras"]
    rows = [list(result["rows"][0]), *([_cell(value) for value in row.values()] for row in result["rows"])]
    made = f"`benchmarks/behaviour_accuracy.py`, {facts['processor']}, {facts['date']}"
    return (
        f"Measured with the built-in network (I3D of width {model['width']:g}, {model['length']} frames "
        f"{model['frame_step']} apart, {result['input']} px) on {len(videos['seeds'])} rendered videos that it never "
        f"saw, {videos['frames']} frames of 640x480 px each, read back from H.264, a chunk every {videos['stride']} "
        f"frames; chance is {100 * result['chance']:.1f} % ({made}). "
        f"In fp32 OpenVINO's logits differ from Keras' by {largest:.1e} at most."
        f"{_still_text(result)}\n\n{markdown(rows)}"
    )


def _still_text(result: dict[str, Any]) -> str:
    """What the row of the network for single frames is."""
    if not any(row["network"] == "single frame" for row in result["rows"]):
        return ""
    return (
        " The network of the last row sees the same chunks, their middle frame in the place of all, and was trained "
        "so (`configs/train-home-cage-still.yaml`): what a single frame gives away."
    )


def long_text(result: dict[str, Any]) -> str:
    """Memory of an hour, and kills."""
    (short, hour), kills, video = result["rows"], result["kills"], result["video"]
    same = "the same table, bit for bit" if kills["same table"] else "another table"
    killed_at = ", ".join(map(str, kills["killed at rows"]))
    return (
        f"An hour of video ({hour['frames']} frames of {video['width']}x{video['height']} px) takes "
        f"{hour['peak MiB']:.0f} MiB, {hour['against ten minutes']:.2f} times what ten minutes take "
        f"({short['peak MiB']:.0f} MiB). Killed when {killed_at} of its {kills['rows']} chunks were on the disk, and "
        f"given the same command each time, it ended with {same} (`benchmarks/long_behaviours.py`)."
    )


def _cell(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
