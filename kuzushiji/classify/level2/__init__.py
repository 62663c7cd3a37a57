"""The second level: models that choose among the candidates of each box, and what they need."""
