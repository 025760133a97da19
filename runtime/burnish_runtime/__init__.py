"""An engine in a process: load, warm up, run, account processors and memory.

The optimizer measures through this package and serving answers through it, with the same options,
so that what is measured is what serves. One file per backend; a backend's library is imported only
when an engine asks for it.
"""
