"""Chains of commands, as they are written for `m4m pipe` and `m4m map`: "quantize --grid 1/16 | harmonize"."""

import io
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from m4mcli.errors import USAGE, M4mError

NOT_HERE = ("<", ">", ">>", "&", "&&", "||", ";", "2>")
"""What a shell would obey and a pipeline of m4m has not."""

Step = list[str]


def parsed(pipeline: str) -> list[Step]:
    """The commands of a pipeline, each with its arguments; quotes are those of a shell.

    Raises M4mError (status 2) for an empty step, an unknown command and what is not a pipeline.
    """
    from m4mcli.cli import COMMANDS

    lexer = shlex.shlex(pipeline, posix=True, punctuation_chars="|<>;&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError as error:
        raise M4mError(f"the pipeline cannot be read: {str(error).lower()}", "check its quotes", USAGE) from error
    steps: list[Step] = [[]]
    for word in words:
        if word == "|":
            steps.append([])
        elif word in NOT_HERE or (word and set(word) <= set("|<>;&")):
            raise M4mError(f"{word} in a pipeline", "name the input behind it, and the output with -o", USAGE)
        else:
            steps[-1].append(word)
    for number, step in enumerate(steps, 1):
        if step[:1] == ["m4m"]:
            del step[0]
        if not step:
            raise M4mError(f"step {number} of the pipeline is empty", 'write "quantize | harmonize"', USAGE)
        if step[0] not in COMMANDS:
            raise M4mError(f"step {number}: no such command: {step[0]!r}", "m4m --help lists the commands", USAGE)
    return steps


def checked(step: Step) -> None:
    """Raise the usage error that the command would raise for these arguments, without running it."""
    from m4mcli.cli import COMMANDS
    from m4mcli.command_tree import load

    name, *arguments = step
    if not {"-h", "--help"} & set(arguments):
        try:
            load(name, COMMANDS[name]).make_context(f"m4m {name}", list(arguments))
        except typer.TyperException as error:
            from m4mcli.command_tree import usage_message

            raise M4mError(f"{name}: {usage_message(error)}", f"try: m4m {name} --help", USAGE) from error


@contextmanager
def reading(data: bytes | None) -> Iterator[None]:
    """Standard input holds `data`; None leaves it as it is."""
    if data is None:
        yield
        return
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(data), "utf-8")
    try:
        yield
    finally:
        sys.stdin = before
