"""The audit's checks, one module each."""
