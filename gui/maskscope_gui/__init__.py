"""Maskscope's window, on Qt."""
