"""Analysis of recorded and live turns: tables, trajectories, heat, predictions, findings."""
