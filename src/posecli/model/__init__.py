"""Trained networks as relocatable folders.

``folder``      the model folder: ``model.yaml`` and ``weights.safetensors``
``deeplabcut``  where a DeepLabCut project, ``dlc-models`` folder or exported model keeps what
``checkpoint``  tensors out of TensorFlow checkpoints and frozen graphs
``importing``   a DeepLabCut source to a model folder, by hand or into the cache
"""
