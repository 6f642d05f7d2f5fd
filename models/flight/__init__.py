"""Networks prepared for real time: the same weights and results with few calls and reused memory.

With 100 particles a call takes as long as its arithmetic, and allocating a tensor of about 100 kB longer than both.
Therefore weights are packed once; values shared by both ends of a pair, by all poses of a frame or by all calls are
computed once; and scratch memory is reused, so that an object serves one caller at a time. EGNN is one compiled numba
kernel; it is compiled once per machine, in a few seconds, when a policy is warmed up.
"""
