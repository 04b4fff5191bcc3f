"""How far compression and downsampling move poses: every version of a video against the video itself.

A study goes from ``options`` (what is asked) and ``versions`` (what is made of each video) through ``runner`` (make,
check and analyse each version, one line on the disk for each) to ``study`` (what lies in the folder, and its
``measures`` with their intervals), and from there to ``recommendation``, ``charts`` and ``report``.
"""
