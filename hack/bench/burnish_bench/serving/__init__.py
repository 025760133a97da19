"""Servers beside each other: the same model, the same requests, in turns.

Peers' environments import this package too: nothing is imported here.
"""
