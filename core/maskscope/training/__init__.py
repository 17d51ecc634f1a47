"""Training without padding, in numpy."""
