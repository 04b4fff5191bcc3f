"""The pose network.

``spec``                what determines a network, its weights apart
``variables``           names and shapes of its variables, without a framework
``folding``             batch normalisation into convolutions, in NumPy
``pose``                the network in Keras
``openvino_runtime``    OpenVINO's core, made once
``tensorflow_runtime``  TensorFlow, loaded quietly
"""

from posecli.network.tensorflow_runtime import choose_kernels

choose_kernels()  # before a module of this package imports Keras, and with it TensorFlow
