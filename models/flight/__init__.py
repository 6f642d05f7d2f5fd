"""Networks as they fly: the same weights and answers in as few calls as possible, and in memory that is used again.

At a hundred particles a call costs as much as its arithmetic, and a new tensor of some 100 kB more than both. Hence
weights packed once; nothing computed twice that both ends of a pair, all poses of a frame or all frames of a flight
share; and scratch memory, so that one flight answers one caller at a time. EGNN, where calls cost most, is one compiled
kernel of numba, which is compiled once for a machine, in some seconds, when a policy is warmed up.
"""
