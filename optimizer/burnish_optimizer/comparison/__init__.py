"""Judging two models against each other: the same inputs, the same kernels, figures for every output."""
