"""`python -m leakaudit`, the same as the command `leakaudit`."""

import sys

from leakaudit.cli import main

if __name__ == "__main__":
    sys.exit(main())
