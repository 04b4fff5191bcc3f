"""The I3D network, which tells from a chunk of consecutive frames what an animal does.

``variables``   its units, and names and shapes of its variables, without a framework
``folding``     batch normalisation into convolutions, in NumPy
``layers``      the network in Keras
``graph``       the network in OpenVINO's operations
"""
