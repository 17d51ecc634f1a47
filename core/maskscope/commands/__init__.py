"""The commands of ``maskscope``: each parses its arguments, calls core, and prints."""
