"""The pose network.

``spec``                what determines a network, its weights apart
``variables``           names and shapes of its variables, without a framework
``folding``             batch normalisation into convolutions, in NumPy
``pose``                the network in Keras
``tensorflow_runtime``  TensorFlow, loaded quietly
"""
