"""How well pages were read: F1 by the competition's rule, and the character error rate of their text."""
