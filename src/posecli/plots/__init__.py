"""Every picture of results: paths, labelled videos, errors, agreement."""
