"""Training loops that race each other: each file trains one network its own way, in a process of its own.

`bench/race.py` starts them, and gives each one epoch at a time in turn. The files need nothing of Sonde but sonde_fit.py, so that the
peers' environment is enough for them.
"""
