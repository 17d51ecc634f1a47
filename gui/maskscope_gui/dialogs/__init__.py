"""The dialogs. Each shows errors beside the field that they are about, and does long work in a thread or the worker."""
