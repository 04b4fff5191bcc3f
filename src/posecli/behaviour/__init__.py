"""Behaviours: which one a video shows when, as people labelled it and as a network tells it."""
