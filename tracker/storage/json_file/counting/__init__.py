"""The sums of the session file: those of living sessions follow the file, those of pruned ones stand beside it.

beginnings.py  tallies at the beginnings of lines
following.py   the sums of living sessions, in a process that was asked for them
leaving.py     the sums of what a prune is about to leave out
kept.py        the sums of pruned sessions, in a file of their own
"""
