"""The models of a run folder together: what reads a page whose characters and boxes nobody knows."""
