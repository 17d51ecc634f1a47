"""The only package, with the audit, that imports Keras."""
