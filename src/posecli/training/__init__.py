"""Training: examples, the loop with its checkpoints, and the finished model folder.

What poses and behaviours share lies here: settings, the loop, the run folder, views and light of examples. What differs
lies in `posecli.training.poses` and `posecli.training.behaviours`: the settings of a kind name its rows and open its
objective (data, network, losses, held-out measure), and the loop knows nothing else of it.
"""

from __future__ import annotations

from posecli.support.tensorflow import choose_kernels

choose_kernels()  # before a module of this package imports Keras, and with it TensorFlow

from posecli.training.config import read_train_config as read_train_config  # noqa: E402
