"""`python -m helpers` says in one sentence where the commands are."""

import sys

COMMANDS = (
    "`helpers` has no commands: `musicbook` works on your music and makes the book's data, "
    "`leakaudit` examines a table."
)


def main() -> int:
    """Print the sentence to stderr; exit code 2, as for any wrong usage."""
    print(COMMANDS, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
