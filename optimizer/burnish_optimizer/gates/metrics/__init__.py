"""Metrics, each a pair: small figures of one sample, and the metric of many samples from their figures."""
