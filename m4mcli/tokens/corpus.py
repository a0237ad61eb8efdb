"""Files to tokens, many of them: what a worker process is handed, and what it gives back."""

import os
from dataclasses import dataclass
from pathlib import Path

from m4mcli.errors import M4mError
from m4mcli.score.read import Reading, read_score, read_source
from m4mcli.tokens.bpe import Merges, read_merges
from m4mcli.tokens.scheme import Tokens
from m4mcli.tokens.schemes import open_scheme, takes_settings
from m4mcli.tokens.settings import Settings

SUFFIXES = (".mid", ".midi", ".kar", ".json", ".abc")
"""Files that are looked for in folders."""


@dataclass(frozen=True)
class Job:
    """How files become tokens: the scheme with its settings, and the file of merges, if any."""

    scheme: str
    settings: Settings | None = None
    bpe: str = ""

    def __call__(self, file: str) -> "Done":
        """The tokens of a file (`-`: standard input) or why there are none. Raises nothing of the file's making."""
        try:
            return self.done(file)
        except M4mError as error:
            return Done(file, None, (), str(error))
        except OSError as error:
            return Done(file, None, (), f"{file}: {error.strerror or error}")

    def done(self, file: str) -> "Done":
        """The tokens of a file. Raises M4mError where it cannot be read."""
        data, name = read_source(None if file == "-" else file)
        reading = self._read(data, name)
        merges = self.merges()
        tokens, warnings = open_scheme(self.scheme, self.settings).encode(reading.score)
        if merges is not None:
            tokens = merges.applied(tokens)
        return Done(file, tokens, (*reading.warnings, *warnings), "", reading.score.note_count)

    def merges(self) -> Merges | None:
        """The merges of the file that the job names."""
        return read_merges(self.bpe) if self.bpe else None

    def _read(self, data: bytes, name: str) -> Reading:
        # Tokens equal to MidiTok's need the notes in the order in which MidiTok's reader has them.
        if takes_settings(self.scheme):
            from m4mcli.score.quick import read_quickly

            score = read_quickly(data)
            if score is not None:
                return Reading(score, None, "midi", ())
        return read_score(data, name)


@dataclass(frozen=True)
class Done:
    """What became of a file: its tokens, or the line that says why there are none."""

    file: str
    tokens: Tokens | None
    warnings: tuple[str, ...] = ()
    failure: str = ""
    notes: int = 0


def files_in(names: list[str]) -> list[str]:
    """The files, and all music in the folders, in the order of their names. Raises M4mError for an empty folder."""
    found: list[str] = []
    for name in names:
        if name != "-" and Path(name).is_dir():
            # Not rglob: it keeps an object for each file, several times what the names take.
            inside = sorted(
                str(path)
                for place, _, files in os.walk(name)
                for path in (Path(place, file) for file in files)
                if path.suffix.lower() in SUFFIXES and path.is_file()
            )
            if not inside:
                raise M4mError(f"{name}: no music in this folder", f"m4m looks for {', '.join(SUFFIXES)}")
            found += inside
        else:
            found.append(name)
    return found
