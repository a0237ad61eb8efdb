"""`m4m dataset filter`: a pack of the pieces that are as wanted."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from m4mcli.options import Invocation, Quiet

EXAMPLES = (
    "m4m dataset filter packs/all --out packs/bands --drums --bars 16-200 --on-grid 0.9",
    "m4m dataset filter packs/all --out packs/waltzes --metre 3/4 --unique --no-leaks",
)
SHOWS_PROGRESS = True

PackFolder = Annotated[str, typer.Argument(metavar="DIR", show_default=False, help="The pack to take pieces from.")]
Out = Annotated[str, typer.Option("--out", metavar="DIR", show_default=False, help="The pack to write.")]
Bars = Annotated[
    str, typer.Option("--bars", metavar="RANGE", show_default=False, help="Pieces of so many bars: 8-64, 8-, -64.")
]
Notes = Annotated[
    str, typer.Option("--notes", metavar="RANGE", show_default=False, help="Pieces of so many notes: 50-.")
]
Seconds = Annotated[
    str, typer.Option("--seconds", metavar="RANGE", show_default=False, help="Pieces of so many seconds: 30-300.")
]
OnGrid = Annotated[
    float,
    typer.Option("--on-grid", min=0, max=1, metavar="SHARE", help="Least share of onsets on 16ths or triplets."),
]
Drums = Annotated[
    bool | None, typer.Option("--drums/--no-drums", show_default=False, help="Pieces with drums, or without.")
]
Programs = Annotated[
    str,
    typer.Option(
        "--programs",
        metavar="LIST",
        show_default=False,
        help="Pieces in which only these play (and drums): piano, bass, 48.",
    ),
]
Having = Annotated[
    str,
    typer.Option(
        "--having", metavar="LIST", show_default=False, help="Pieces in which all of these play: bass, violin, drums."
    ),
]
Keys = Annotated[
    str, typer.Option("--key", metavar="KEYS", show_default=False, help="Pieces in these keys: A minor, Eb; minor.")
]
Metres = Annotated[
    str, typer.Option("--metre", metavar="METRES", show_default=False, help="Pieces all in these metres: 3/4,6/8.")
]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="SOURCE", show_default=False, help="Pieces of this source; repeatable."),
]
Splits = Annotated[
    list[str] | None,
    typer.Option("--split", metavar="SPLIT", show_default=False, help="Pieces of this split; repeatable."),
]
Unique = Annotated[bool, typer.Option("--unique", help="Of pieces that are the same music, one.")]
NoLeaks = Annotated[
    bool, typer.Option("--no-leaks", help="Nothing to train on that belongs together with a piece of another split.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the new pack's manifest.")]


def filter_(
    pack: PackFolder,
    out: Out,
    bars: Bars = "",
    notes: Notes = "",
    seconds: Seconds = "",
    on_grid: OnGrid = 0.0,
    drums: Drums = None,
    programs: Programs = "",
    having: Having = "",
    keys: Keys = "",
    metres: Metres = "",
    sources: Sources = None,
    splits: Splits = None,
    unique: Unique = False,
    no_leaks: NoLeaks = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a pack of the pieces that are as wanted.

    All that is asked must hold. Why a piece is left out stands in OUT/refused.jsonl.
    """
    run = Invocation("dataset filter", quiet=quiet)

    from m4mcli.dataset.filtering import ANY, Wanted, filter_pack, filtered, parse_choices, parse_range
    from m4mcli.dataset.pack import Pack, with_facts
    from m4mcli.dataset.stats import pack_table
    from m4mcli.progress import shown

    wanted = Wanted(
        parse_range(bars, "--bars") if bars else ANY,
        parse_range(notes, "--notes") if notes else ANY,
        parse_range(seconds, "--seconds") if seconds else ANY,
        on_grid,
        drums,
        frozenset().union(*parse_choices(programs)),
        parse_choices(having),
        _keys(keys),
        _metres(metres),
        tuple(sources or ()),
        tuple(splits or ()),
    )
    with shown("choosing", quiet):
        why = filtered(with_facts(Pack(Path(pack))), wanted, unique=unique, no_leaks=no_leaks)
        manifest = filter_pack(Path(pack), Path(out), why)
    for reason, count in Counter(reason for reason in why.values() if reason).most_common():
        run.warn(f"{count} of {len(why)} pieces left out: {reason}")
    run.write(json.dumps(manifest, indent=1, sort_keys=True) + "\n" if as_json else pack_table(manifest))


def _keys(text: str) -> frozenset[str]:
    """Names of keys as packs have them, and modes, from `A minor, Eb`. Raises M4mError."""
    from m4mcli.theory.keys import key_name, parse_key

    words = [word.strip() for word in text.split(",") if word.strip()]
    return frozenset(w.lower() if w.lower() in ("major", "minor") else key_name(*parse_key(w)) for w in words)


def _metres(text: str) -> frozenset[str]:
    return frozenset(word.replace(" ", "") for word in text.split(",") if word.strip())
