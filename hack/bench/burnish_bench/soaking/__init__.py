"""Soaking: one server under mixed load for an hour; memory stays flat, answers stay right."""
