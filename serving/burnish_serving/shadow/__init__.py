"""Shadow compare: a sample of requests is asked of the stable peer as well, off the request path.

`agreement` is pure; `peer` speaks the protocol as a client; `mirror` has the line and the thread.
"""
