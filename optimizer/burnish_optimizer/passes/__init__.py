"""Exact rewriting, one gated pass at a time: a pass that changes an answer is rolled back, not trusted."""
