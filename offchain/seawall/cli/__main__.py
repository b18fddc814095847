"""Lets `python -m seawall.cli` be the command line."""

import sys

from seawall.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
