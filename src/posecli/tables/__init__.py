"""Pose tables and their manifests: layout, reading, smoothing, other formats."""
