"""Command line for the long jobs: `python -m helpers features|lyrics|cluster|map|audit|data|embedded --help`.

What is finished is kept in the store (HELPERS_CACHE names its folder): an interrupted job goes on where it was. Exit
codes: 0 done, 1 an input cannot be used (one sentence says why), 2 wrong usage, 3 done, but something was left out.
"""

from __future__ import annotations

import logging
import sys

import typer

from .commands import committed, music

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__, rich_markup_mode=None
)
app.add_typer(music.app)
app.add_typer(committed.app, name="embedded")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; errors of the user's input become one sentence on stderr and exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        return app(arguments, standalone_mode=False) or 0  # an exit code is returned, not raised
    except typer.Abort:
        return 130
    except Exception as error:
        if hasattr(error, "format_message"):  # wrong usage, as click words it
            typer.echo(f"error: {error.format_message()}", err=True)
            return getattr(error, "exit_code", 2)
        if isinstance(error, (ValueError, OSError, RuntimeError)):
            message = error.strerror if isinstance(error, OSError) and error.errno and error.strerror else str(error)
            named = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
            typer.echo(f"error: {named}{message}", err=True)
            return 1
        raise


if __name__ == "__main__":
    sys.exit(main())
