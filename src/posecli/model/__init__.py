"""Trained networks as relocatable folders.

``description``  what ``model.yaml`` says
``folder``       the model folder, its int8 version, and the networks that come with posecli
``deeplabcut``   what a network of DeepLabCut is; ``_project``, ``_tensorflow`` and others where its files lie
``pytorch_config``  what DeepLabCut's PyTorch engine says of a network
``torchfile``    tensors out of PyTorch's files, without PyTorch
``checkpoint``   tensors out of TensorFlow checkpoints and frozen graphs, and the I3D network's
``importing``    a DeepLabCut source to a model folder, by hand or into the cache
"""
