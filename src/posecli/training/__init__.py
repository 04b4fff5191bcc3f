"""Training: examples at every scale, targets, the loop with its checkpoints, and the model folder that comes out.

The way of an example: ``sources`` (labelled images, synthetic scenes) to ``augment`` (one crop at one scale, then what
light, lens, sensor and codec do to it) to ``targets`` (scoremap and location refinement) to ``batches`` to ``loop``.
"""

from posecli.network.tensorflow_runtime import choose_kernels

choose_kernels()  # before a module of this package imports Keras, and with it TensorFlow
