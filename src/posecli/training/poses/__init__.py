"""Training of pose networks: labelled images and scenes, scoremaps and location refinement, errors in px."""
