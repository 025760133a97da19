"""Clients: NVIDIA's for latency, bare sockets for load."""
