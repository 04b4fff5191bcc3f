"""Training of networks for behaviours: labelled intervals and scenes, cross-entropy, balanced accuracy."""
