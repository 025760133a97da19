"""Model to engine. A library; knows nothing of Kubernetes."""
