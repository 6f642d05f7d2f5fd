"""The loop in a thread, in a process and without a window; playback; heartbeat, overload and signals."""
