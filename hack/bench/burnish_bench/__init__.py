"""Benchmarks of rewriting: every tool gets the same cases in the same run, each in a process of its own."""
