"""Weights in 4 or 8 bits, activations in FP32: smaller models, faster where memory is waited for."""
