"""Fewer bits: ranges from calibration samples, and models that compute in INT8."""
