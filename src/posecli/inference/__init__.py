"""Frames to poses: the inference step, decoding, pipelines, batch sizes, loaded models."""
