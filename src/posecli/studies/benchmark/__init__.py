"""The papers' speed experiments on this machine: a designed study that ends in a tidy table, figures and advice.

``options``, ``factors`` and ``design`` say which ``conditions`` there are and in what order; ``material`` and
``untrained`` make clips and networks; ``worker`` measures one condition in a process of its own (``bench``,
``recorder``); ``runner`` goes through the design and can be continued after a kill (``study``); ``summary``,
``findings``, ``tables``, ``charts`` and ``report`` turn rows into what people read. What differs between pose networks
and networks for behaviours is one object of ``kinds``, from ``poses`` and ``behaviours``.

>>> from posecli.studies.benchmark.options import BenchmarkOptions
>>> from posecli.studies.benchmark.report import summarize, write_report
>>> from posecli.studies.benchmark.runner import run_benchmark
>>> from posecli.studies.cost import read_prices
>>> study = run_benchmark(BenchmarkOptions(sizes=(80, 160)), Path("bench"))  # doctest: +SKIP
>>> summary = summarize(study, read_prices().chosen(None, None))  # doctest: +SKIP
>>> write_report(summary).page  # doctest: +SKIP
PosixPath('bench/report.html')
"""
