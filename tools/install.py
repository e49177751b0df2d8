"""Set up the virtual environment of every `make` command: the door to `set_up.py`, which does it.

No syntax here that Python 2 does not know: an old Python is answered in one sentence."""

import sys

OLDEST = (3, 11, 5)


def refusal(version):
    """What an interpreter of another `version` (a tuple of numbers) is told; "" for a new one."""
    if tuple(version[:3]) >= OLDEST:
        return ""
    needed, this = [".".join([str(part) for part in v[:3]]) for v in (OLDEST, version)]
    text = "Python {} or newer is needed, and this is {}: name one, say make PYTHON=python3.12"
    return text.format(needed, this)


if __name__ == "__main__":
    if refusal(sys.version_info):
        sys.exit(refusal(sys.version_info))
    import set_up

    set_up.command_line()
