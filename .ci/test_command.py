"""Print the command that runs the tests, as the README gives it: the code block after <!-- test-command -->."""

import re
import sys
from pathlib import Path

MARKER = "<!-- test-command -->"


def command(text: str) -> str | None:
    """The content of the first fenced code block after the marker, None when there is none."""
    match = re.search(re.escape(MARKER) + r"\s*\n```[^\n]*\n(.*?)\n```", text, re.DOTALL)
    return match.group(1) if match else None


if __name__ == "__main__":
    found = command(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if not found:
        sys.exit(f"{sys.argv[1]}: no code block after {MARKER}")
    # A prompt may come before a command.
    print("\n".join(line.removeprefix("$ ") for line in found.splitlines()))
