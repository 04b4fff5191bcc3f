"""Videos as sequences of frames.

``container``    a file opened by FFmpeg, and the packets of its main stream
``wholeness``    whether the bytes of a file are all there
``probe``        what a file says and holds, from its packets and first pictures
``pictures``     which pictures there are, in which order, and when each is shown
``timeline``     the time of each row
``orientation``  how a picture is turned and mirrored for display
``pixels``       a picture as BGR
``opencv``       OpenCV's pictures, as long as they are FFmpeg's
``prepare``      one frame down the geometry ladder into a batch
``reader``       all of these together: batches of prepared frames
``encode``       frames to a video, at one frame rate
``timed``        frames to a video, each at its own time
"""
