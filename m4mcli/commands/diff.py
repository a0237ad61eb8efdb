"""`m4m diff`: where two pieces differ as music."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m4mcli.errors import CHECK_SAID_NO, USAGE, M4mError
from m4mcli.options import Invocation, Output, Quiet, printable

if TYPE_CHECKING:
    from m4mcli.inspection.difference import Difference, Note, Pair, TrackDifference, Turn
    from m4mcli.inspection.places import Places
    from m4mcli.score.score import Score

EXAMPLES = ("m4m diff before.mid after.mid", "m4m diff --tolerance 0.05 played.mid straight.mid")
SHOWS_PROGRESS = True
STEPS = 4
"""What is told of as done: one file read, the other, what differs found, that put into words."""

Two = Annotated[
    list[str], typer.Argument(metavar="FILE FILE", help="Two pieces, MIDI, m4m JSON or ABC; - is standard input.")
]
Tolerance = Annotated[
    float,
    typer.Option(
        "--tolerance", min=0, max=4, metavar="Q", help="Times that differ by at most Q quarters are the same."
    ),
]
Brief = Annotated[bool, typer.Option("--brief", help="Count the notes that differ, and do not list them.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


def diff(
    files: Two,
    tolerance: Tolerance = 0.0,
    brief: Brief = False,
    as_json: AsJson = False,
    output: Output = "-",
    quiet: Quiet = False,
) -> None:
    """Say where two pieces differ as music: notes added, gone, moved or changed; tempi, signatures, tracks.

    The exit status is 0 where they are the same, 3 where they differ. Nothing is written where they are the same.
    """
    if len(files) != 2:
        raise M4mError(f"two files are compared, not {len(files)}", "m4m diff one.mid other.mid", USAGE)
    if files == ["-", "-"]:
        raise M4mError("both files cannot come from standard input", "name one of them", USAGE)

    from m4mcli.inspection.difference import difference
    from m4mcli.inspection.places import Places
    from m4mcli.progress import shown

    told = ""
    with shown("comparing", quiet) as progress:
        scores = []
        for name in files:
            scores.append(Invocation("diff", name, about=name, quiet=quiet).read(music_out=False).score)
            if progress is not None:
                progress(len(scores), STEPS)
        first, second = scores
        found = difference(first, second, tolerance)
        if progress is not None:
            progress(STEPS - 1, STEPS)
        places = Places(first), Places(second)
        if as_json:
            told = _json(found, files, (first, second), places)
        elif not found.same:
            head = [f"--- {printable(files[0])}", f"+++ {printable(files[1])}"]
            told = "\n".join([*head, *_text(found, (first, second), places, brief), ""])
    if told:
        Invocation("diff", None, output).write(told)
    if not found.same:
        raise typer.Exit(CHECK_SAID_NO)


def _text(
    found: "Difference", scores: "tuple[Score, Score]", places: "tuple[Places, Places]", brief: bool
) -> list[str]:
    lines = []
    for turn in found.turns:
        word = "at" if turn.what == "marker" else "from"
        lines.append(f"{turn.what}: {_turn(turn)} {word} {places[0].named(turn.tick)}")
    for track in found.tracks:
        if not track.same:
            lines.append(_headline(track, scores))
            if not brief and track.first is not None and track.second is not None:
                lines += _listed(track, scores, places)
    return lines


def _turn(turn: "Turn") -> str:
    before, after = (_value(turn.what, value) for value in (turn.before, turn.after))
    return f"{before} -> {after}"


def _value(what: str, value: Any) -> str:
    from m4mcli.theory.names import signature_name

    if value is None:
        return "none"
    if what == "tempo":
        return f"{60e6 / value:.6g} bpm"
    if what == "time signature":
        return f"{value[0]}/{value[1]}"
    return signature_name(*value) if what == "key signature" else repr(printable(value))


def _headline(track: "TrackDifference", scores: "tuple[Score, Score]") -> str:
    if track.first is None or track.second is None:
        score, index = (scores[0], track.first) if track.first is not None else (scores[1], track.second)
        notes = len(score.tracks[index or 0].notes)
        sign = "-" if track.first is not None else "+"
        return f"{sign} track {_label(score, index or 0)}: {notes} {'note' if notes == 1 else 'notes'}"
    told = [f"{len(x)} {what}" for what, x in _kinds(track) if x]
    told += [f"{what} {_shown(what, a)} -> {_shown(what, b)}" for what, a, b in track.properties]
    told += [f"{what}: {a} gone, {b} added" for what, a, b in track.others]
    return f"track {_label(scores[0], track.first)}: {', '.join(told)}"


def _kinds(track: "TrackDifference") -> "list[tuple[str, tuple[Note, ...] | tuple[Pair, ...]]]":
    return [("gone", track.gone), ("added", track.added), ("moved", track.moved), ("changed", track.changed)]


def _label(score: "Score", index: int) -> str:
    from m4mcli.tasks.region import label

    return printable(label(score, index))


def _shown(what: str, value: Any) -> str:
    from m4mcli.theory.instruments import instrument_name

    if what == "program":
        return instrument_name(value)
    return repr(printable(value))


def _listed(track: "TrackDifference", scores: "tuple[Score, Score]", places: "tuple[Places, Places]") -> list[str]:
    """A line for each note that differs, in their order."""
    from m4mcli.theory.names import pitch_name

    first, second = scores

    def quarters(score: "Score", ticks: int) -> str:
        return f"{ticks / score.tpq:.4g}"

    rows = [(n.onset / first.tpq, f"  - {places[0].named(n.onset)}: {pitch_name(n.pitch)}") for n in track.gone]
    rows += [(n.onset / second.tpq, f"  + {places[1].named(n.onset)}: {pitch_name(n.pitch)}") for n in track.added]
    for pair, sign in [(p, ">") for p in track.moved] + [(p, "~") for p in track.changed]:
        a, b = pair.before, pair.after
        told = [f"to {places[1].named(b.onset)}"] if sign == ">" else []
        if quarters(first, a.duration) != quarters(second, b.duration):
            told.append(f"length {quarters(first, a.duration)} -> {quarters(second, b.duration)}")
        if a.velocity != b.velocity:
            told.append(f"velocity {a.velocity} -> {b.velocity}")
        line = f"  {sign} {places[0].named(a.onset)}: {pitch_name(a.pitch)} {', '.join(told)}"
        rows.append((a.onset / first.tpq, line))
    return [line for _, line in sorted(rows, key=lambda row: row[0])]


def _json(found: "Difference", files: list[str], scores: "tuple[Score, Score]", places: "tuple[Places, Places]") -> str:
    """The differences as JSON, written note by note: as objects a million of them would fill the memory."""

    def note(side: int, n: "Note") -> dict[str, Any]:
        bar, beat = places[side].at(n.onset)
        return n._asdict() | {"bar": bar, "beat": beat}

    def track_of(side: int, index: int | None) -> dict[str, Any] | None:
        if index is None:
            return None
        track = scores[side].tracks[index]
        return {"track": index + 1, "name": track.name, "program": track.program, "drums": track.is_drum,
                "notes": len(track.notes)}  # fmt: skip

    def pairs(rows: "tuple[Pair, ...]") -> str:
        return _array(({"before": note(0, p.before), "after": note(1, p.after)} for p in rows), 3)

    def track(t: "TrackDifference") -> str:
        fields = {
            "before": _indented(track_of(0, t.first), 3),
            "after": _indented(track_of(1, t.second), 3),
            "gone": _array((note(0, n) for n in t.gone), 3),
            "added": _array((note(1, n) for n in t.added), 3),
            "moved": pairs(t.moved),
            "changed": pairs(t.changed),
            "others": _array(({"what": what, "gone": gone, "added": added} for what, gone, added in t.others), 3),
        }
        return "    {\n" + ",\n".join(f'      "{name}": {text}' for name, text in fields.items()) + "\n    }"

    head = {
        "m4m": 1,
        "kind": "diff",
        "files": files,
        "tpq": [score.tpq for score in scores],
        "same": found.same,
        "changes": [
            {"what": t.what, "tick": t.tick, "bar": places[0].at(t.tick)[0], "before": t.before, "after": t.after}
            for t in found.turns
        ],
    }
    tracks = ",\n".join(track(t) for t in found.tracks if not t.same)
    listed = f"[\n{tracks}\n  ]" if tracks else "[]"
    return _indented(head, 0).removesuffix("\n}") + f',\n  "tracks": {listed}\n}}\n'


def _array(rows: Iterable[dict[str, Any]], depth: int) -> str:
    """Rows as a JSON array that stands so many levels deep."""
    pad = "  " * depth
    texts = ",\n".join(f"{pad}  {_indented(row, depth + 1)}" for row in rows)
    return f"[\n{texts}\n{pad}]" if texts else "[]"


def _indented(value: Any, depth: int) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n" + "  " * depth)
