"""Networks as data: one file per architecture, and passes that rewrite them.

``operations``     what networks are made of
``network``        a network: its operations, the scaling of its input, what its outputs mean
``architectures``  the pose networks by name
``resnet``         DeepLabCut's ResNets
``mobilenet``      and its MobileNets
``efficientnet``   and its EfficientNets
``i3d``            the network that classifies behaviours
``folding``        batch normalisation into convolutions, and all heads as one
``int8``           int8 versions, and what their calibration looks at
"""
