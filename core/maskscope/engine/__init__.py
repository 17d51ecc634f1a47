"""Scoring without padding and without TensorFlow."""
