"""Graphs in narrower floats: FP16 within its range, BF16, and FP8 as QuantizeLinear pairs."""
