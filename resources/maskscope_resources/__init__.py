"""Maskscope's data files: icons and the demo."""
