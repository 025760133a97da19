"""An engine in a process: load, warm up, run, account memory. What is measured here is what serves."""
