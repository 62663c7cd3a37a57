"""Training machinery on pytorch-ignite: loop, schedule, checkpoints, precision. Knows nothing of characters."""
