"""Where the tokens of many pieces go while they are made: lines, arrays or text, on standard output or in a file."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from m4mcli.errors import M4mError
from m4mcli.score.read import reason
from m4mcli.tokens.packed_form import PackedWriter
from m4mcli.tokens.scheme import Tokens
from m4mcli.tokens.token_form import tokens_to_json, tokens_to_line


class Sink(Protocol):
    """Takes pieces one after another."""

    def add(self, tokens: Tokens, file: str) -> None:
        """One more piece."""


class Lines:
    """Each piece as a line of JSON."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def add(self, tokens: Tokens, file: str) -> None:
        """One more piece."""
        self._out.write(tokens_to_line(tokens, file).encode())


class Whole(Lines):
    """A single piece as JSON over several lines."""

    def add(self, tokens: Tokens, file: str) -> None:
        """The piece."""
        self._out.write(tokens_to_json(tokens).encode())


class Texts(Lines):
    """Each piece as an ABC tune, an empty line between."""

    def __init__(self, out: IO[bytes]) -> None:
        super().__init__(out)
        self._count = 0

    def add(self, tokens: Tokens, file: str) -> None:
        """One more piece."""
        from m4mcli.tokens.abc_scheme import abc_text

        self._count += 1
        self._out.write((("\n" if self._count > 1 else "") + abc_text(tokens, self._count)).encode())


@contextmanager
def opened_sink(path: str, kind: str) -> Iterator[Sink]:
    """A sink for `lines`, `arrays`, `text` or one `whole` piece: the file `path`, for `-` standard output.

    A file appears when all is written, or not at all. Raises M4mError where it cannot be written.
    """
    with _opened(path) as out:
        if kind != "arrays":
            yield {"lines": Lines, "text": Texts, "whole": Whole}[kind](out)
            return
        packed = PackedWriter()
        try:
            yield packed
            packed.finish(out)
        finally:
            packed.close()


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        if sys.stdout is None:
            raise M4mError("stdout: closed", "use -o FILE")
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except OSError as error:
            if isinstance(error, BrokenPipeError) or error.filename is not None:
                raise
            raise M4mError(f"stdout: cannot write: {reason(error)}") from error
        return
    if Path(path).exists() and not Path(path).is_file():
        with Path(path).open("wb") as special:
            yield special
        return
    target = Path(os.path.realpath(path))
    scratch = target.with_name(f".m4m-{secrets.token_hex(6)}.tmp")
    try:
        try:
            out = scratch.open("xb")
        except OSError as error:
            raise M4mError(f"{path}: cannot write: {reason(error)}") from error
        with out:
            yield out
        scratch.replace(target)
    finally:
        with suppress(OSError):
            scratch.unlink()
