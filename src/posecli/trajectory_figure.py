"""A pose table as a figure: where body parts went, and how sure the network was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posecli.figures import house_style, new_figure, part_colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Poses = npt.NDArray[np.float64]


def draw_trajectories(
    poses: Poses,
    bodyparts: tuple[str, ...],
    seconds: npt.NDArray[np.float64],
    pcutoff: float,
    truth: Poses | None = None,
) -> Figure:
    """Draw x, y and likelihood of every body part against time.

    Parameters
    ----------
    poses
        ``(N, K, 3)``: x px, y px, likelihood.
    bodyparts
        Their names.
    seconds
        ``(N,)`` times of the frames.
    pcutoff
        Points less likely than this are left out of x and y.
    truth
        ``(N, K, 2)`` true positions, drawn as thin black lines where they are known.

    Returns
    -------
    Figure
        Of Matplotlib, to be saved with `posecli.figures.save_figure`.
    """
    shown = np.where(poses[..., 2:] >= pcutoff, poses[..., :2], np.nan)
    with house_style():
        figure = new_figure(9.0, 6.0)
        panels = figure.subplots(3, 1, sharex=True, height_ratios=(2, 2, 1))
        for part, (name, colour) in enumerate(zip(bodyparts, part_colours(len(bodyparts)), strict=True)):
            for axis in (0, 1):
                panels[axis].plot(seconds, shown[:, part, axis], color=colour, label=name if axis == 0 else None)
                if truth is not None:
                    panels[axis].plot(seconds, truth[:, part, axis], color="black", linewidth=0.5)
            panels[2].plot(seconds, poses[:, part, 2], color=colour, linewidth=1.0)
        panels[2].axhline(pcutoff, color="black", linewidth=0.8, linestyle="--")
        for axes, label in zip(panels, ("x (px)", "y (px)", "likelihood"), strict=True):
            axes.set_ylabel(label)
        panels[1].invert_yaxis()
        panels[2].set(xlabel="time (s)", ylim=(0, 1.05))
        if truth is not None:
            panels[0].plot([], [], color="black", linewidth=0.5, label="truth")
        figure.legend(loc="outside upper center", ncols=min(len(bodyparts) + 1, 8))
    return figure
