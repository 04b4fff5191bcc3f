"""Videos as sequences of frames.

``container``    a file opened by FFmpeg, the packets of its main stream, and whether its bytes are all there
``probe``        what a file says and holds, from its packets and first pictures
``pictures``     which pictures there are, in which order, and when each is shown
``timeline``     the time of each row
``orientation``  how a picture is turned and mirrored for display
``opencv``       a picture as pixels: FFmpeg's, or OpenCV's as long as they are the same
``batch``        frames down the geometry ladder into a batch
``reader``       all of these together: batches of prepared frames
``encode``       frames to a video, at one frame rate
``timed``        frames to a video, each at its own time
"""
