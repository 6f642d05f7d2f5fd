"""Fuzzing: random broken input, made from a seed, is given to the program in a process that may be killed.

`python -m benchmarks.fuzz --minutes 3 --seed 1 [--only runs yaml]`: a case fails with a traceback, with more than 2 s
of processor time beyond that of sound input, or with more than 1 GiB of additional memory.
"""
