"""Videos as sequences of frames.

``probe``     what a file says and holds: size, rotation, packets, timestamps (no decoding)
``opencv``    decode with OpenCV          }  the same bytes for the same frame,
``pyav``      decode with PyAV            }  each frame with its place in the video
``reader``    batches of prepared frames, one decoder helping out the other
``prepare``   one decoded frame down the geometry ladder into a batch
"""
