"""`m4m dataset build`: corpora packed for training."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import Invocation, Quiet

if TYPE_CHECKING:
    from m4mcli.dataset.sources import Item

EXAMPLES = (
    "m4m dataset build songs --out packs/songs",
    "m4m dataset build maestro-v3.0.0 lmd_full.tar.gz --out packs/all",
    "m4m dataset build scores asap --glob 'asap=**/midi_score.mid' --out packs/all",
)
SHOWS_PROGRESS = True

Folders = Annotated[
    list[str],
    typer.Argument(metavar="DIR", show_default=False, help="Folders of music or archives (tar, zip), each a source."),
]
Out = Annotated[str, typer.Option("--out", metavar="DIR", show_default=False, help="The pack to write.")]
Globs = Annotated[
    list[str] | None,
    typer.Option(
        "--glob",
        metavar="[SOURCE=]PATTERN",
        show_default=False,
        help="Which files of the folders, or of one, are packed; repeatable. All music unless given.",
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Option(
        "--name",
        metavar="SOURCE",
        show_default=False,
        help="Name of the source, once for each DIR in turn; the folder's unless given.",
    ),
]
Layouts = Annotated[
    list[str] | None,
    typer.Option(
        "--layout",
        metavar="[SOURCE=]LAYOUT",
        show_default=False,
        help="How the folders, or one, are laid out; told by their files unless given.",
    ),
]
Splits = Annotated[
    str, typer.Option("--splits", metavar="SHARES", help="Shares of train, valid and test where none are told.")
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--jobs", "--workers", min=1, metavar="N", show_default=False, help="Processes; one a processor unless given."
    ),
]
Timeout = Annotated[float, typer.Option("--timeout", min=0.001, metavar="S", help="Seconds for one file at most.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the pack's manifest.")]


def build(
    folders: Folders,
    out: Out,
    globs: Globs = None,
    names: Names = None,
    layouts: Layouts = None,
    splits: Splits = "90,10,0",
    workers: Workers = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Pack corpora for training.

    A build that was stopped goes on when it is started again. Files that cannot be read are told in OUT/refused.jsonl.
    """
    run = Invocation("dataset build", quiet=quiet)

    from m4mcli.dataset.build import Plan, build_items, check_out
    from m4mcli.dataset.splits import Shares
    from m4mcli.dataset.stats import pack_table
    from m4mcli.progress import shown

    plan = Plan(workers, timeout, Shares.parse(splits))
    check_out(Path(out))
    items = _items(folders, names or [], globs or [], layouts or [])
    with shown("files", quiet) as progress:
        built = build_items(items, Path(out), plan, progress)
    manifest = built.manifest
    if built.resumed:
        run.warn(f"went on behind {built.resumed} files that an earlier run had done")
    if built.refused:
        run.warn(f"{len(built.refused)} of {len(items)} files refused, see {Path(out) / 'refused.jsonl'}")
    if torn := manifest["torn_groups"]:
        hint = "m4m dataset filter --no-leaks leaves them out of train"
        run.warn(
            f"{torn} {'group lies' if torn == 1 else 'groups lie'} in several of the splits that were told; {hint}"
        )
    run.write(json.dumps(manifest, indent=1, sort_keys=True) + "\n" if as_json else pack_table(manifest))


def _items(folders: list[str], names: list[str], globs: list[str], layouts: list[str]) -> list["Item"]:
    """The pieces that the operands and options name, in order."""
    from m4mcli.dataset.sources import check_layout, find_items
    from m4mcli.dataset.tree import source_name

    if names and len(names) != len(folders):
        raise M4mError(f"{len(names)} --name for {len(folders)} folders", "give one for each, or none", USAGE)
    sources = names or [source_name(Path(folder)) for folder in folders]
    if bad := [name for name in sources if not name.strip("/")]:
        raise M4mError(f"{bad[0]!r} is no name of a source", "give one with --name", USAGE)
    patterns, ways = _by_source(globs, sources), _by_source(layouts, sources)
    for way in ways.values():
        check_layout(way)
    chosen = [(Path(f), patterns[name], name, ways[name]) for f, name in zip(folders, sources, strict=True)]
    return [item for place in chosen for item in find_items(*place)]


def _by_source(texts: list[str], sources: list[str]) -> dict[str, str]:
    """What `[SOURCE=]VALUE` says for each source; of several that say it the last."""
    own: dict[str, str] = {}
    general = ""
    for text in texts:
        source, equals, value = text.partition("=")
        if equals and source in sources:
            own[source] = value
        else:
            general = text
    return {source: own.get(source, general) for source in sources}
