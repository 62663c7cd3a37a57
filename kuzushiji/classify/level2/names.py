"""The names by which the second level's ways of working are chosen and stored."""

SOFTMAX, RANKING, BINARY = "softmax", "ranking", "binary"
OBJECTIVES = (SOFTMAX, RANKING, BINARY)

EXTENDED, REFERENCE = "extended", "reference"
FEATURE_SETS = (EXTENDED, REFERENCE)

LIGHTGBM, XGBOOST = "lightgbm", "xgboost"
