"""The judge: the untouched source in FP32, every graph optimization of ONNX Runtime disabled."""
