"""`m4m completions`: what a shell needs to complete m4m at TAB."""

from typing import Annotated, Literal

import typer

from m4mcli.options import Invocation, Output

EXAMPLES = ('eval "$(m4m completions bash)"', "m4m completions fish -o ~/.config/fish/completions/m4m.fish")


def completions(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
    output: Output = "-",
) -> None:
    """Print the TAB completions of a shell.

    They are static: completing a word starts no Python.
    """
    from m4mcli.manual.completions import completion

    Invocation("completions", output=output).write(completion(shell))
