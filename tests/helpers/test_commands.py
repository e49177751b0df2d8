"""`python -m helpers`, which older texts name, says in one sentence where its commands went."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("arguments", [[], ["map", "music"], ["--help"]])
def test_the_sentence_names_both_commands(arguments):
    command = [sys.executable, "-m", "helpers", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout
    (sentence,) = done.stderr.splitlines()
    assert "musicbook" in sentence and "leakaudit" in sentence
