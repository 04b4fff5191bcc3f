"""What is kept of each version that is finished: a line of ``versions.jsonl``."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from posecli.studies.common.folder import Row
from posecli.studies.sweep.correspondence import Correspondence
from posecli.studies.sweep.material import SweepVideo
from posecli.studies.sweep.network import are_sought
from posecli.studies.sweep.transcode import Transcoded
from posecli.studies.sweep.versions import Version
from posecli.support.results import StageReport
from posecli.video.probe import VideoInfo


def version_row(
    source: SweepVideo,
    version: Version,
    info: VideoInfo,
    made: Transcoded | None,
    together: Correspondence | None,
    stages: StageReport | None,
) -> Row:
    """Sizes and speeds of one version of one video.

    Parameters
    ----------
    source, version
        What it is of.
    info
        The file that was looked at.
    made
        How it was encoded; ``None`` for the given file.
    together
        How its frames correspond to the original's; ``None`` for the original's own.
    stages
        Of the run of the network; ``None`` where there was none.
    """
    size = source.given_bytes if made is None else made.bytes
    row: Row = {
        "video": source.name,
        "version": version.name,
        "codec": version.codec,
        "crf": version.crf,
        "crf_asked": version.asked,
        "lossless": version.is_lossless,
        "preset": version.encode and version.encode.preset,
        "pix_fmt": info.pixel_format,
        "gop": version.encode and version.encode.gop,
        "scale": version.scale,
        "precision": version.precision,
        "frames": source.frames,
        "looked_at": source.looked_at,
        "bytes": size,
        "bit_rate": 8 * size / source.seconds,
        "bytes_per_hour": 3600 * size / source.seconds,
        "raw_compression": source.raw_bytes / size,
        "given_compression": source.given_bytes / size,
        "encode_seconds": made and made.seconds,
        "encode_fps": made and source.frames / made.seconds,
        "read_fps": None if stages is None else _read_fps(source, info, stages),
        "network_fps": stages and stages.alone_fps["network"],
        "analysis_fps": stages and stages.frames / stages.seconds,
        "problem": together and together.problem,
        "command": made and list(made.command),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if together is not None:
        row |= {
            "psnr": together.psnr if math.isfinite(together.psnr) else None,
            "worst_psnr": together.worst_psnr,
            "largest_time_shift_frames": together.largest_time_shift,
        }
    return row


def _read_fps(source: SweepVideo, info: VideoInfo, stages: StageReport) -> float | None:
    """Frames between the stretches are read too; how many is not known where they were sought over."""
    if are_sought(info, source.stretches):
        return None
    return stages.alone_fps["read"] * source.stretches[-1].stop / source.looked_at


def row_sentence(row: Row) -> str:
    """One version in a few words."""
    size = f"{row['bytes'] / 1e6:.2f} MB, {row['bit_rate'] / 1e3:.0f} kbit/s, " if row["codec"] else ""
    return f"{size}{row['analysis_fps']:.1f} fps"
