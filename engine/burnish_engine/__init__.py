"""What an engine is: request, report, key, manifest, push, pull, verify.

This root knows neither models nor clusters: it imports no onnx and no kopf, and its only I/O
is the registry client in `burnish_engine.oci`. Everything else in Burnish is built on it.
"""

__version__ = "0.1.0"
