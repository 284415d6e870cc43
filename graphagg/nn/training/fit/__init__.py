"""The training loop: learner, epochs, checkpoints, interrupts."""
