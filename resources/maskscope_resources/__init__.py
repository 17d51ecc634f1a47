"""Maskscope's data: icons, the demo, and the colours of the themes."""
