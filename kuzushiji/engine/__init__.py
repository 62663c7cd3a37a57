"""Training machinery on pytorch-ignite: loop, schedule, checkpoints, precision. Independent of pages and characters."""
