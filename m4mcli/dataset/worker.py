"""One file to a packed piece, in a worker process: read, checked, told apart; or the reason why it is refused."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m4mcli.dataset.copies import sketch
from m4mcli.dataset.facts import facts_of
from m4mcli.dataset.forms import moved, read_form, with_metre
from m4mcli.dataset.pack import PackedPiece, pack_piece
from m4mcli.dataset.roles import roles
from m4mcli.dataset.sources import Item
from m4mcli.errors import M4mError
from m4mcli.score.container import MAX_BYTES
from m4mcli.score.metre import bars
from m4mcli.score.read import read_source

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Read:
    """A piece as it goes into a pack: notes and bars, what is known of it, the sketch of its music."""

    piece: PackedPiece
    facts: dict[str, Any]
    sketch: NDArray[np.void]


class TookTooLongError(Exception):
    """The time for one file is over."""


@dataclass(frozen=True)
class Packer:
    """Packs one file after another, each in `timeout` seconds at most; to be sent to worker processes."""

    timeout: float = TIMEOUT_SECONDS

    def __call__(self, job: tuple[Item, bytes | None]) -> Read | str:
        """The piece of an item, or the reason why it is refused; bytes come along where it lies in an archive."""
        item, data = job
        try:
            with _limited_to(self.timeout):
                return read_item(item, data)
        except M4mError as error:
            return error.message.removeprefix(f"{item.name}: ").removeprefix(f"{item.path}: ")
        except TookTooLongError:
            return f"took longer than {self.timeout:g} s"
        except Exception as error:
            # One file among thousands must not end the build; the log tells which one it was.
            return f"internal error: {type(error).__name__}: {error}"


def read_item(item: Item, data: bytes | None = None) -> Read:
    """The piece of an item. Raises M4mError for what cannot be read or has no notes."""
    if data is None:
        data = item.text.encode() if item.text else read_source(str(item.path))[0]
    if len(data) > MAX_BYTES:
        raise M4mError(f"larger than {MAX_BYTES >> 20} MiB")
    score = read_form(data, item.form, item.name)
    score = moved(score, round(item.shift_quarters * score.tpq))
    if not score.note_count:
        raise M4mError("no notes")
    score = with_metre(score)
    measures = bars(score)
    piece = pack_piece(score, measures, roles(score), name=item.name, source=item.source, split=item.split)
    facts = {**facts_of(score, measures, piece.notes), "group": item.group}
    return Read(piece, facts, sketch(piece.notes))


@contextmanager
def _limited_to(seconds: float) -> Iterator[None]:
    """Raise TookTooLongError in here after so many seconds, where the system has alarms."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(number: int, frame: object) -> None:
        raise TookTooLongError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
