"""The papers' speed experiments on this machine: a designed study that ends in a tidy table, figures and advice.

``options`` and ``design`` say which conditions there are and in what order; ``material`` makes clips and networks;
``worker`` measures one condition in a process of its own (``bench``); ``runner`` goes through the design and can be
continued after a kill (``study``); ``summary``, ``charts``, ``timeline`` and ``report`` turn rows into what people
read. What differs between pose networks and networks for behaviours is one object of ``kinds``.
"""
