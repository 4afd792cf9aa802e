"""Training runs: the step, the loop, the run folder, checkpoints, settings, and the commands."""
