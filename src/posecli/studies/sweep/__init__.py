"""How far compression and downsampling move poses: every version of a video against the video itself.

The way of a study: ``options`` (what is asked) to ``versions`` (what is made of each video) to ``runner`` (make, check
and analyse each version, one line on the disk for each; ``design`` has what was asked, ``rows`` what is kept, ``study``
where it lies) to ``summary`` (``measures`` with the intervals of ``resampling``) to ``recommendation``, ``charts`` and
``report``.
"""
