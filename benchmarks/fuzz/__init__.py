"""Broken input without end: made by chance from a seed, and given to the program in a process that may be killed.

`python -m benchmarks.fuzz --minutes 3 --seed 1 [--only runs yaml]`: no traceback, no hang over 2 s, no memory over
1 GiB.
"""
