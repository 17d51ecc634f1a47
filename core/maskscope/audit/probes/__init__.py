"""What the checks measure with."""
