"""Lets the tests here share a module: under importmode=importlib pytest puts no folder on the path."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
