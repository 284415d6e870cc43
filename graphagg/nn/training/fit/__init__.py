"""The training loop: learner, epochs, checkpoints, interruption."""
