"""The dialogs. Each shows errors next to the field they are about, and does long work in a thread or the worker."""
