"""Files and folders of music measured, and compared with another folder."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec

from m4mcli.errors import M4mError
from m4mcli.evaluation.comparison import Comparison
from m4mcli.evaluation.corpora import Corpus, Piece, copies, likenesses, measure, note_agreement, pairs
from m4mcli.parallel import available_processors, in_order
from m4mcli.tokens.corpus import files_in


def compared(
    names: Sequence[str],
    against: str | None,
    workers: int | None,
    failed: Callable[[str], None],
    progress: Callable[[int, int], None] | None,
) -> Comparison:
    """The sets of pieces that files and folders are, and the first compared with `against`.

    `failed` is told what cannot be read, `progress` how many files of how many are done. Raises M4mError for a folder
    without music, and for a file that cannot be read.
    """
    processes = workers or available_processors()
    listed = {name: files_in([name]) for name in [*names, *([] if against is None else [against])]}
    total, done = sum(map(len, listed.values())), 0
    sets: list[Corpus] = []
    for name, files in listed.items():
        pieces: list[Piece] = []
        for piece in in_order(partial(measure, compared=against is not None), files, processes):
            done += 1
            if piece.failure and len(files) == 1:
                raise M4mError(piece.failure)
            if piece.failure:
                failed(piece.failure)
            else:
                pieces.append(piece)
            if progress is not None:
                progress(done, total)
        if not pieces:
            raise M4mError(f"{name}: no music that can be measured", "name files or folders of music")
        sets.append(Corpus(name, tuple(pieces)))
    if against is None:
        return Comparison(tuple(sets))
    last = sets[list(listed).index(against)]
    first, runs = copies(sets[0], last)
    same = list(pairs(first, last)) if first.name != last.name else []
    if same and find_spec("mir_eval") is None:
        warning = f"{len(same)} files have one name in both; pip install 'm4m[evaluate]' compares their notes"
        return Comparison((first, *sets[1:]), likenesses(first, last), tuple(runs), (), (warning,))
    agreements = tuple(in_order(note_agreement, same, processes))
    return Comparison((first, *sets[1:]), likenesses(first, last), tuple(runs), agreements)
