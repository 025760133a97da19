"""Optimizers beside each other: build, judge, measure, tell."""
