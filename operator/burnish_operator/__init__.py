"""OptimizedModel to Jobs, engines, rollouts, status. Knows nothing of onnx."""
