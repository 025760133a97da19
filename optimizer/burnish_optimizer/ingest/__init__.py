"""Anything that a user names becomes local files with a digest, checked before it costs time."""
