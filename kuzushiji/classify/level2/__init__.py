"""Level 2 (stacking): models that choose among the candidates of each box."""
