"""Shells that complete a line as they do for a user at a terminal."""

import os
import pty
import re
import select
import subprocess
from pathlib import Path
from typing import Self

COMPLETIONS = Path(__file__).parent.parent / "completions"
CONTROL = re.compile(r"\x1b(?:\[[0-9;?]*[a-zA-Z]|[=>])|[\r\x07\x08]")
PATIENCE_S = 30.0
CLEAR = "\x15"
PROMPT = "@@"
"""What zsh shows when it has taken over the terminal: what is typed before, the system's line editor gets."""


class Zsh:
    """An interactive zsh without the user's settings, in a pseudo-terminal in `folder`, with m4m's completions.

    They are found in `fpath`, or `evaluated` as by a start file.
    """

    def __init__(self, folder: Path, *, evaluated: bool = False) -> None:
        number, self._terminal = pty.fork()
        if number == 0:
            os.chdir(folder)
            env = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
            settings = {"TERM": "dumb", "COLUMNS": "200", "LINES": "60", "LC_ALL": "C.UTF-8"}
            os.execvpe("zsh", ["zsh", "-f", "-i"], env | settings)  # noqa: S606
        found = "" if evaluated else f"fpath=({COMPLETIONS} $fpath); "
        told = f'eval "$(< {COMPLETIONS / "_m4m"})"; ' if evaluated else ""
        self._write(
            f"PS1='{PROMPT}'; RPS1=; unsetopt prompt_cr prompt_sp; {found}autoload -U compinit; compinit -u -D; "
            f"{told}LISTMAX=10000; print -r -- 'rea''dy'\n"
        )
        self._until("ready")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._terminal)
        os.wait()

    def offered(self, line: str) -> str:
        """What stands on the terminal after `line` and TAB: the line completed, or the line and the choices.

        The line is left by a command that prints a mark: what comes before it is the answer.
        """
        self._write(f"{line}\t")
        self._write(f"{CLEAR}print -r -- 'do''ne'\n")
        return self._until("done").replace("print -r -- 'do''ne'", "").replace(PROMPT, "")

    def _write(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def _until(self, mark: str) -> str:
        seen = ""
        while PROMPT not in seen.partition(f"{mark}\n")[2]:
            if not select.select([self._terminal], [], [], PATIENCE_S)[0]:
                raise TimeoutError(f"zsh says {seen!r}")
            seen += CONTROL.sub("", os.read(self._terminal, 1 << 16).decode(errors="replace"))
        return seen


def fish(lines: list[str], folder: Path) -> list[set[str]]:
    """What fish offers at the end of each line, without its descriptions."""
    questions = "; ".join(f"complete -C '{line}'; echo =" for line in lines)
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {COMPLETIONS / 'm4m.fish'}; {questions}"],
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
    )
    assert done.stderr == ""
    return [{line.partition("\t")[0] for line in part.split("\n") if line} for part in done.stdout.split("=\n")[:-1]]
