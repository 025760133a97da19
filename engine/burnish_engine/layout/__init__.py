"""An engine as other servers want it: which of them can serve it, and its folder laid out in their way.

Everything but `repository` is pure. Names follow the servers' own documentation.
"""
