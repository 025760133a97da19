"""The HTTP surface: bodies, failures, routes."""
