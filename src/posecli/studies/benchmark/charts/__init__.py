"""The figures: those of the two papers, for this machine.

Each function draws one figure of a summary, or returns ``None`` where the design holds nothing for it. Single repeats
are dots, medians are lines.
"""
