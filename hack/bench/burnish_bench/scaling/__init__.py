"""The operator with many models, nodes and classes, on a real control plane."""
