"""Labelled pages from one form into another: above all into a data root, which the stages train on."""
