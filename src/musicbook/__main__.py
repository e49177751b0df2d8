"""The command line: your music as a map or as a table, and the book's data.

What is finished is kept in the store (HELPERS_CACHE names its folder): an interrupted job goes on
where it was. Exit codes: 0 done, 1 an input cannot be used or an output cannot be written (one
sentence says why), 2 wrong usage, 3 done, but something was left out."""

from __future__ import annotations

import io
import logging
import sys

import typer

from helpers.escape import printable
from musicbook import committed
from musicbook.collection import commands

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=__doc__,
    rich_markup_mode=None,
)
app.add_typer(commands.app)
app.add_typer(committed.app, name="embedded")


EXTRAS = {  # package -> the extra of ours that brings it
    "dask": "cluster",
    "distributed": "cluster",
    "h5py": "msd",
    "polars": "lyrics",
    "py3langid": "lyrics",
    "sentence_transformers": "lyrics",
    "transformers": "lyrics",
}


def _not_loaded(error: ImportError) -> str:
    """What is to be done about a package that cannot be imported, in a sentence."""
    name = (error.name or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError):
        wanted = f"pip install {name}"
        if name in EXTRAS:
            wanted = f"pip install 'vae-music-clustering[{EXTRAS[name]}]'"
        return f"the package {name} is not installed; {wanted}"
    reason = printable(str(error).partition("\n")[0])
    return (
        f"a library cannot be loaded ({reason}); where memory is limited (`ulimit -v`), raise the "
        "limit: torch alone needs some gigabytes of addresses, with CUDA more"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; errors of the user's input become one sentence on stderr and exit code
    1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a letter that the terminal has not is escaped
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        return app(arguments, standalone_mode=False) or 0  # an exit code is returned, not raised
    except typer.Abort:
        return 130
    except ImportError as error:
        typer.echo(f"error: {_not_loaded(error)}", err=True)
        return 1
    except MemoryError:
        typer.echo(
            "error: not enough memory for this; close other programs, or raise a limit set "
            "by `ulimit -v`",
            err=True,
        )
        return 1
    except Exception as error:
        if hasattr(error, "format_message"):  # wrong usage, as click words it
            typer.echo(f"error: {error.format_message()}", err=True)
            return getattr(error, "exit_code", 2)
        if isinstance(error, (ValueError, OSError, RuntimeError)):
            message = (
                error.strerror
                if isinstance(error, OSError) and error.errno and error.strerror
                else str(error)
            )
            named = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
            typer.echo(printable(f"error: {named}{message}"), err=True)
            return 1
        raise


if __name__ == "__main__":
    sys.exit(main())
