"""Behaviours: chunks of frames, labelled intervals, behaviour tables, agreement."""
