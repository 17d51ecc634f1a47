"""``python -m maskscope``: the same as ``maskscope``."""

import sys

from maskscope.cli import main

if __name__ == "__main__":
    sys.exit(main())
