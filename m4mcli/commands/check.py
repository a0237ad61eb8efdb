"""`m4m check`: what is odd about a file, and the file mended."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m4mcli.errors import CHECK_SAID_NO, DONE, FAILED, USAGE, M4mError
from m4mcli.options import Files, Force, Invocation, OutDir, Output, Quiet, printable

if TYPE_CHECKING:
    from m4mcli.batch import Write
    from m4mcli.generation.request import Progress
    from m4mcli.score.read import Reading

EXAMPLES = ("m4m check songs/*.mid", "m4m check --fix odd.mid -o mended.mid")
SHOWS_PROGRESS = True

Fix = Annotated[bool, typer.Option("--fix", help="Write the music mended; what is odd is told on standard error.")]
Piece = Annotated[
    int | None,
    typer.Option(
        "--piece", min=1, metavar="N", show_default=False, help="With --fix: of a format 2 file the sequence N alone."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON: what is odd, or with --fix the music.")]
AsLines = Annotated[bool, typer.Option("--jsonl", help="Write what is odd as JSON, one file to a line.")]


def check(
    files: Files = None,
    fix: Fix = False,
    piece: Piece = None,
    as_json: AsJson = False,
    as_lines: AsLines = False,
    output: Output = "-",
    out_dir: OutDir = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Say what is odd about files.

    That is all that had to be mended in reading them; notes that overlap, have no length or never end; doubled tracks;
    a beat, tempo or metre that is not that of the music. The exit status is 0 where nothing is odd, 3 where something
    is (with --fix: still is), 1 where a file cannot be read.
    """
    if as_json and as_lines:
        raise M4mError("--json and --jsonl exclude each other", "give one of them", USAGE)
    if fix and as_lines:
        raise M4mError("--jsonl and --fix exclude each other", "--fix writes music", USAGE)
    if out_dir is not None and not fix:
        raise M4mError("--out-dir is for the music that --fix writes", "add --fix", USAGE)
    if piece is not None and not fix:
        raise M4mError("--piece is for the music that --fix writes", "add --fix", USAGE)
    names = tuple(files or ())
    if fix:
        run = Invocation("check", None, output, as_json=as_json, force=force, quiet=quiet)
        status = _fix(run, names, out_dir, piece)
    else:
        status = _report(Invocation("check", output=output, quiet=quiet), names, as_json, as_lines)
    if status:
        raise typer.Exit(status)


def _report(out: Invocation, names: tuple[str, ...], as_json: bool, as_lines: bool) -> int:
    """Write what is odd about each file; the exit status."""
    from m4mcli.progress import shown

    found, failed = [], False
    with shown("files" if len(names) > 1 else "checking", out.quiet) as progress:
        for done, name in enumerate(names or (None,), 1):
            run = Invocation("check", name, quiet=True)
            try:
                reading = run.read(music_out=False)
                if progress is not None and len(names) < 2:
                    progress(1, 2)
                found.append(_described(name, reading))
            except (M4mError, OSError) as error:
                if len(names) < 2:
                    raise
                run.complain(error)
                failed = True
            if progress is not None:
                progress(done, len(names) or 1)
    if as_json:
        out.write(json.dumps(found if len(names) > 1 else found[0], indent=2, ensure_ascii=False) + "\n")
    elif as_lines:
        out.write("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in found))
    elif lines := [
        f"{printable(one['file'])}: {printable(o['name'] + ': ' + o['text'])}\n"
        for one in found
        for o in one["oddities"]
    ]:
        out.write("".join(lines))
    return FAILED if failed else CHECK_SAID_NO if any(one["odd"] for one in found) else DONE


def _described(name: str | None, reading: "Reading") -> dict[str, Any]:
    """What `m4m check --json` says about a file."""
    from m4mcli.inspection.beat import off_grid, onsets
    from m4mcli.inspection.oddities import oddities

    odd = oddities(reading)
    return {
        "m4m": 1,
        "kind": "check",
        "file": "-" if name is None else name,
        "odd": bool(odd),
        "notes": reading.score.note_count,
        "off_grid": round(off_grid(onsets(reading.score)), 4),
        "oddities": [{"name": o.name, "text": o.text, "mendable": o.mendable} for o in odd],
    }


def _fix(run: Invocation, names: tuple[str, ...], out_dir: str | None, piece: int | None) -> int:
    """Write each file, or one piece of it, mended; the exit status."""
    from m4mcli.batch import Batch
    from m4mcli.inspection.oddities import oddities
    from m4mcli.inspection.repair import mended_midi, mended_score
    from m4mcli.score.read import read_score

    still_odd = False

    def mend(run: Invocation, reading: "Reading", progress: "Progress | None") -> "list[Write]":
        nonlocal still_odd
        told = progress or (lambda done, of: None)
        if piece is not None:
            reading = _piece(reading, piece, run.file or "-")
        for oddity in oddities(reading)[len(reading.warnings) :]:
            run.warn(f"{oddity.name}: {oddity.text}{'; mended' if oddity.mendable else ''}")
            still_odd = still_odd or not oddity.mendable
        told(1, 3)
        if reading.midi is None or run.kind(reading) == "json":
            score = mended_score(reading.score)
            return [lambda run: run.write_score(reading, score)]
        midi = mended_midi(reading.midi, reading.score)
        told(2, 3)
        still_odd = still_odd or bool(oddities(read_score(midi, "the mended file")))
        return [lambda run: run.write(midi)]

    Batch(run, names, out_dir).write_all(mend, "mending")
    return CHECK_SAID_NO if still_odd else DONE


def _piece(reading: "Reading", number: int, name: str) -> "Reading":
    """One of the sequences of a format 2 file."""
    from dataclasses import replace

    from m4mcli.score.container import sequence
    from m4mcli.score.read import read_score

    if reading.midi is None:
        raise M4mError(f"{name}: JSON holds one piece", "leave --piece out")
    found = read_score(sequence(reading.midi, number, name), name)
    return replace(found, warnings=(*reading.warnings, *found.warnings))
