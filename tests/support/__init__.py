"""What several tests need: clips, a fake engine, DeepLabCut projects in miniature."""
