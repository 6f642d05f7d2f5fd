"""The loop in a thread, in a process and headless; playback; and what watches over them."""
