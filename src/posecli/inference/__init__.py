"""Frames to poses: decoding of scoremaps, the pipeline, batch sizes, models ready to predict."""
