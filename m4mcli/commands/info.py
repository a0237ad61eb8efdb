"""`m4m info`: what is in a file."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m4mcli.errors import FAILED, USAGE, M4mError
from m4mcli.options import Invocation, Quiet, printable
from m4mcli.token_options import Workers

if TYPE_CHECKING:
    from m4mcli.inspection.folder import Totals
    from m4mcli.inspection.summary import Summary

EXAMPLES = ("m4m info song.mid", "m4m info --jsonl *.mid", "m4m info songs/")
SHOWS_PROGRESS = True
SHOWN_CHANGES = 8
"""How many changes of tempo, metre or key the text form lists."""

COLUMNS = ("track", "name", "instrument", "notes", "range")


def info(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE", show_default=False, help="MIDI, m4m JSON or ABC, or folders of it; - is standard input."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write JSON: one object, or an array for several files.")
    ] = False,
    as_lines: Annotated[bool, typer.Option("--jsonl", help="Write JSON, one object to a line and file.")] = False,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Say what is in a file: length, metre, tempo, key, tracks with their instruments and ranges.

    Of a folder it says how much music is in it, and of which kinds; --json and --jsonl tell of each file. A file that
    cannot be read is reported, the others are shown, and the status is 1.
    """
    if as_json and as_lines:
        raise M4mError("--json and --jsonl exclude each other", "give one of them", USAGE)
    from m4mcli.inspection.folder import Totals
    from m4mcli.inspection.summary import summaries
    from m4mcli.progress import shown
    from m4mcli.tokens.corpus import files_in

    run = Invocation("info", quiet=quiet)
    operands = files or ["-"]
    if operands == ["-"] and sys.stdin is not None and sys.stdin.isatty():
        raise M4mError("no FILE, and standard input is a terminal", "usage: m4m info [OPTIONS] [FILE]...", USAGE)
    listed = [(name, files_in([name])) for name in operands]
    total = sum(len(files_of) for _, files_of in listed)
    found: list[Summary | Totals] = []
    failed = False
    with shown("files" if total > 1 else "reading", quiet) as progress:
        done = 0
        for name, files_of in listed:
            totals = Totals(name) if name != "-" and Path(name).is_dir() else None
            for one in summaries(files_of, workers):
                done += 1
                if progress is not None:
                    progress(done, total)
                if isinstance(one, M4mError):
                    failed = _failed(run, one, total, totals)
                elif as_lines:
                    _warn(run, one, total, totals)
                    run.write(json.dumps(one, ensure_ascii=False) + "\n")
                elif totals is not None and not as_json:
                    totals.add(one)
                else:
                    _warn(run, one, total, totals)
                    found.append(one)
            if totals is not None and not (as_json or as_lines):
                found.append(totals)
    if as_json:
        run.write(json.dumps(found[0] if total < 2 else found, indent=2, ensure_ascii=False) + "\n")
    elif not as_lines:
        _show(run, found)
    if failed:
        raise typer.Exit(FAILED)


def _failed(run: Invocation, error: M4mError, total: int, totals: "Totals | None") -> bool:
    """Tell that a file cannot be read; raise the error where there is but one file."""
    if total < 2:
        raise error
    run.complain(error)
    if totals is not None:
        totals.failed += 1
    return True


def _warn(run: Invocation, one: "Summary", total: int, totals: "Totals | None") -> None:
    """Tell what is odd about a file; of those in folders the summaries say it."""
    for warning in one["warnings"] if totals is None else ():
        run.warn(warning if total < 2 else f"{one['file']}: {warning}")


def _show(run: Invocation, found: "list[Summary | Totals]") -> None:
    """Print the summaries: tables on a terminal, aligned columns elsewhere."""
    if sys.stdout is not None and sys.stdout.isatty():
        for one in found:
            print("\n".join(_head(one) if isinstance(one, dict) else one.lines()))
            if isinstance(one, dict):
                _print_table(_rows(one))
    else:
        run.write("\n".join("\n".join([*_told(one), ""]) for one in found))


def _told(one: "Summary | Totals") -> list[str]:
    return [*_head(one), *_columns(_rows(one))] if isinstance(one, dict) else one.lines()


def _rows(one: dict[str, Any]) -> list[tuple[str, ...]]:
    return [_row(number, track) for number, track in enumerate(one["tracks"], 1)]


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    table = [COLUMNS, *rows] if rows else []
    widths = [max(len(row[c]) for row in table) for c in range(len(COLUMNS))] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def _print_table(rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in ("track", "notes") else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(table)


def _head(one: dict[str, Any]) -> list[str]:
    bars, beats, notes = (_counted(one[f"{what}s"], what) for what in ("bar", "beat", "note"))
    lines = [
        printable(one["file"]),
        f"length  {bars}, {beats}, {one['seconds']:.1f} s, {notes}",
        f"metre   {_changes(one['time_signatures'], 'time')}",
        f"tempo   {_changes(one['tempos'], 'bpm')} bpm",
    ]
    if one["key_signatures"]:
        lines.append(f"key     {_changes(one['key_signatures'], 'key')}")
    return lines


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _changes(events: list[dict[str, Any]], what: str) -> str:
    """The values of events that change something, with their bars: `3/4, 4/4 from bar 9`."""
    kept = [e for i, e in enumerate(events) if i == 0 or e[what] != events[i - 1][what]]
    told = [f"{e[what]:g}" if isinstance(e[what], float) else e[what] for e in kept[:SHOWN_CHANGES]]
    told = [t if i == 0 else f"{t} from bar {e['bar']}" for i, (t, e) in enumerate(zip(told, kept, strict=False))]
    more = f", and {len(kept) - SHOWN_CHANGES} more" if len(kept) > SHOWN_CHANGES else ""
    return ", ".join(told) + more


def _row(number: int, track: dict[str, Any]) -> tuple[str, ...]:
    compass = f"{track['lowest']}-{track['highest']}" if track["notes"] else ""
    return str(number), printable(track["name"]), track["instrument"], str(track["notes"]), compass
