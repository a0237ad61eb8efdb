"""`m4m info`: what is in a file."""

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m4mcli.errors import FAILED, USAGE, M4mError
from m4mcli.options import Invocation, Quiet, printable

if TYPE_CHECKING:
    from m4mcli.score.read import Reading

EXAMPLES = ("m4m info song.mid", "m4m info --jsonl *.mid")
SHOWN_CHANGES = 8
"""How many changes of tempo, metre or key the text form lists."""

COLUMNS = ("track", "name", "instrument", "notes", "range")


def info(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE", show_default=False, help="MIDI, m4m JSON or ABC; - is standard input."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write JSON: one object, or an array for several files.")
    ] = False,
    as_lines: Annotated[bool, typer.Option("--jsonl", help="Write JSON, one object to a line and file.")] = False,
    quiet: Quiet = False,
) -> None:
    """Say what is in a file: length, metre, tempo, key, tracks with their instruments and ranges.

    A file that cannot be read is reported, the others are shown, and the status is 1.
    """
    if as_json and as_lines:
        raise M4mError("--json and --jsonl exclude each other", "give one of them", USAGE)
    found, failed = [], False
    names: list[str | None] = [*files] if files else [None]
    for name in names:
        run = Invocation("info", name, quiet=quiet)
        try:
            summary = summarize(run.read(music_out=False))
        except (M4mError, OSError) as error:
            if len(names) < 2:
                raise
            run.complain(error)
            failed = True
            continue
        found.append({"m4m": 1, "kind": "info", "file": "-" if name is None else name} | summary)
    if as_json:
        run.write(json.dumps(found[0] if len(names) < 2 else found, indent=2, ensure_ascii=False) + "\n")
    elif as_lines:
        run.write("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in found))
    else:
        _show(Invocation("info"), found)
    if failed:
        raise typer.Exit(FAILED)


def summarize(reading: "Reading") -> dict[str, Any]:
    """What `m4m info --json` says about a piece. Ticks are counted from 0, bars and beats from 1."""
    import numpy as np

    from m4mcli.score.clock import DEFAULT_MICROSECONDS, seconds_at
    from m4mcli.score.metre import bars
    from m4mcli.score.score import Tempo, TimeSignature
    from m4mcli.theory.instruments import instrument_name
    from m4mcli.theory.names import pitch_name, signature_name

    score = reading.score
    all_bars = bars(score) if score.end else ()
    first_ticks = np.array([bar.tick for bar in all_bars] or [0])

    def bar_of(tick: int) -> int:
        return max(1, int(np.searchsorted(first_ticks, tick, side="right")))

    def times(events: Iterable[Any]) -> list[dict[str, Any]]:
        return [{"tick": e.tick, "bar": bar_of(e.tick)} for e in events]

    tempos = score.tempos or (Tempo(0, DEFAULT_MICROSECONDS),)
    metres = score.time_signatures or (TimeSignature(0, 4, 4),)
    return {
        "format": reading.kind,
        "tpq": score.tpq,
        "ticks": score.end,
        "bars": len(all_bars),
        "beats": sum(tick < score.end for bar in all_bars for tick in bar.beats()),
        "seconds": round(float(seconds_at(score, np.array([score.end]))[0]), 3),
        "notes": score.note_count,
        "tempos": [at | {"bpm": round(60e6 / t.microseconds, 3)} for at, t in zip(times(tempos), tempos, strict=True)],
        "time_signatures": [
            at | {"time": f"{s.numerator}/{s.denominator}"} for at, s in zip(times(metres), metres, strict=True)
        ],
        "key_signatures": [
            at | {"key": signature_name(k.fifths, k.minor)}
            for at, k in zip(times(score.key_signatures), score.key_signatures, strict=True)
        ],
        "tracks": [
            {
                "name": track.name,
                "program": track.program,
                "instrument": instrument_name(track.program, track.is_drum),
                "drums": track.is_drum,
                "notes": len(track.notes),
                "lowest": pitch_name(int(track.notes["pitch"].min())) if len(track.notes) else None,
                "highest": pitch_name(int(track.notes["pitch"].max())) if len(track.notes) else None,
            }
            for track in score.tracks
        ],
        "warnings": list(reading.warnings),
    }


def _show(run: Invocation, found: list[dict[str, Any]]) -> None:
    """Print the summaries: tables on a terminal, aligned columns elsewhere."""
    if sys.stdout is not None and sys.stdout.isatty():
        for one in found:
            print("\n".join(_head(one)))
            _print_table(_rows(one))
    else:
        run.write("\n".join("\n".join([*_head(one), *_columns(_rows(one)), ""]) for one in found))


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
