"""Trained models as one folder that reads pages alone."""
