"""What recorded and live turns show: tables, trajectories, heat, predictions, findings."""
