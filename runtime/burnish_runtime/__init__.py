"""An engine in a process: load, warm up, run, account processors and memory.

The optimizer measures through this package and serving answers through it, with the same options,
so that what is measured is what serves. One file per backend; a backend's library is imported only
when an engine asks for it.
"""

import os

# ONNX Runtime's wheel can report usage to its makers, and reads this when it is first imported:
# a user's models are nobody else's business. Who wants it on sets the variable to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
