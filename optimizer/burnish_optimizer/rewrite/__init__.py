"""Rewriting that recipes build on: newer operator sets, and ONNX Runtime's own fusions saved to disk."""
