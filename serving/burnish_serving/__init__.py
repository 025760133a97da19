"""Engine to answers: Open Inference Protocol v2."""
