"""`m4m harmonize`: chords under a melody."""

import os
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import (
    AsJson,
    AsMidi,
    BestOf,
    Count,
    DeviceName,
    Files,
    Force,
    Invocation,
    Model,
    Only,
    OutDir,
    Output,
    Prompt,
    Quiet,
    Seed,
    Strictness,
    StyleFile,
    Temperature,
    Threads,
    TopK,
    TopP,
    Verbose,
)

if TYPE_CHECKING:
    from m4mcli.batch import Batch, Write
    from m4mcli.generation.request import Progress
    from m4mcli.score.read import Reading
    from m4mcli.tasks.harmonize import Harmonization, NamedChord

EXAMPLES = (
    "m4m harmonize melody.mid > out.mid",
    'm4m harmonize --chords "G | . | . | D7 G" --seed 7 melody.mid -o out.mid',
    "m4m harmonize melodies/*.mid --out-dir harmonized",
)
SHOWS_PROGRESS = SHARES_FILES = True

Melody = Annotated[
    str | None,
    typer.Option("--melody", metavar="NAME|INDEX", show_default=False, help="The melody's track; else it is found."),
]
Choose = Annotated[
    Literal["consensus", "likelihood"],
    typer.Option("--choose", help="By agreement among the samples, or by the model's likelihood."),
]
Chords = Annotated[
    str | None,
    typer.Option("--chords", metavar="TEXT", show_default=False, help='Fixed bars, "Am | . | F | G"; . is free.'),
]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="KEY", show_default=False, help="The melody's key, such as 'F# minor'; else found."),
]
PerBar = Annotated[
    Literal["1", "2", "4"] | None,
    typer.Option("--per-bar", show_default=False, help="Places for chords in a bar; else every beat."),
]
ChordsOut = Annotated[
    str | None,
    typer.Option("--chords-out", metavar="FILE", show_default=False, help="Also write bar, beat, symbol to FILE."),
]
ProgramName = Annotated[
    str | None,
    typer.Option(
        "--program",
        metavar="NAME|N",
        show_default=False,
        help="The chords' instrument: a General MIDI name or 0 to 127; else that of --prompt, or piano.",
    ),
]
PER_BAR: "dict[str, Literal[1, 2, 4]]" = {"1": 1, "2": 2, "4": 4}


def harmonize(
    files: Files = None,
    melody: Melody = None,
    chords: Chords = None,
    key: Key = None,
    per_bar: PerBar = None,
    prompt: Prompt = None,
    program: ProgramName = None,
    seed: Seed = "0",
    temperature: Temperature = None,
    top_p: TopP = None,
    top_k: TopK = 0,
    best_of: BestOf = None,
    choose: Choose = "consensus",
    strictness: Strictness = 1.0,
    count: Count = 1,
    out_dir: OutDir = None,
    only: Only = False,
    chords_out: ChordsOut = None,
    model: Model = None,
    adapter: StyleFile = None,
    device: DeviceName = "cpu",
    threads: Threads = 1,
    output: Output = "-",
    as_json: AsJson = False,
    as_midi: AsMidi = False,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Add a chord track to a melody.

    Every event of the input stays as it is. The chords lie on the input's own beats and follow its metre, its tempi and
    its dynamics. The same seed gives the same chords.
    """
    run = Invocation("harmonize", None, output, as_json, as_midi, force, quiet, verbose)

    from m4mcli.batch import Batch

    if prompt == "-" and (not files or "-" in files):
        raise M4mError("melody and --prompt cannot both come from standard input", "name a FILE", USAGE)
    batch = Batch(run, tuple(files or ()), out_dir, count)
    names = ChordNames(chords_out, batch)
    names.check()

    from m4mcli.models.registry import find_model
    from m4mcli.models.session import open_network
    from m4mcli.tasks.harmonize import TASK, Wish, has_chord_part
    from m4mcli.tasks.harmonize import harmonize as write_chords
    from m4mcli.tasks.melody import find_melody
    from m4mcli.theory.instruments import parse_program
    from m4mcli.theory.keys import key_name, parse_key

    wish = Wish(
        chords=chords,
        per_bar=None if per_bar is None else PER_BAR[per_bar],
        key=None if key is None else parse_key(key),
        program=None if program is None else parse_program(program),
        sampling=TASK.sampling.asked(temperature, top_p, top_k),
        best_of=best_of or TASK.best_of,
        choice=choose,
        seed=run.seed(seed),
        count=count,
        strictness=strictness,
    )
    if prompt is not None:
        wish = replace(wish, prompt=replace(run, file=prompt).read(music_out=False).score)
    found_model = find_model(model, TASK.name)
    network = open_network(found_model, TASK.name, device, threads, adapter)

    def versions(run: Invocation, reading: "Reading", progress: "Progress | None") -> "list[Write]":
        found = find_melody(reading.score, melody)
        (run.warn if found.skyline else run.say)(found.reason)
        if has_chord_part(reading.score) and not only:
            run.warn(f"the piece has a track named {TASK.track_name}: it is kept, and another one added")
        began = time.monotonic()
        own = replace(wish, best_of=best_of or TASK.samples_for(reading.score))
        results = write_chords(reading.score, found, network, own, progress)
        for warning in results[0].warnings:
            run.warn(warning)
        run.say(
            f"{key_name(*results[0].key)}; model {found_model.name}, seed {own.seed}, best of {own.best_of} by "
            f"{own.choice}, {network.provider}, {time.monotonic() - began:.1f} s"
        )

        def write(run: Invocation, number: int, result: "Harmonization") -> None:
            if chords_out is not None:
                replace(run, output=names.path(run, number)).write(chord_lines(result.chords))
            run.write_added(reading, [result.track], only=only)

        return [partial(write, number=n, result=result) for n, result in enumerate(results, 1)]

    batch.write_all(versions, "chords", network.at_once(wish.best_of))


def chord_lines(chords: "tuple[NamedChord, ...]") -> str:
    """Bar, beat and symbol of each chord, one a line, with tabs."""
    return "".join(f"{c.bar}\t{c.beat:g}\t{c.symbol}\n" for c in chords)


@dataclass(frozen=True)
class ChordNames:
    """Where the chords' names go: the FILE of --chords-out, with --out-dir numbered and named as the music is."""

    chords_out: str | None
    batch: "Batch"

    def check(self) -> None:
        """Raise M4mError for options that exclude each other and files that cannot be written: before any work, so
        that of two files not one alone is written."""
        batch, output = self.batch, self.batch.run.output
        several = batch.count > 1 or len(batch.files) > 1
        if self.chords_out == "-" and (several or (batch.out_dir is None and output == "-")):
            what = "several pieces" if several else "music"
            raise M4mError(f"--chords-out - would mix chords and {what} on standard output", "name a FILE", USAGE)
        files = [Path(path) for path in (output, self.chords_out or "-") if path != "-"]
        if len({path.resolve() for path in files}) < len(files):
            raise M4mError("--chords-out and -o name the same file", "name two", USAGE)
        for path in files:
            _refuse_unwritable(path)

    def path(self, run: Invocation, number: int) -> str:
        """The file for a version, counted from 1: `names.tsv`, with -n `names-1.tsv`, of several `names-melody.tsv`."""
        path = Path(str(self.chords_out))
        if self.chords_out == "-":
            return "-"
        piece = f"-{Path(str(run.file)).stem}" if len(self.batch.files) > 1 else ""
        return str(path.with_name(f"{path.stem}{piece}{self.batch.place(number)}{path.suffix}"))


def _refuse_unwritable(path: Path) -> None:
    if path.is_dir():
        raise M4mError(f"{path}: cannot write: is a directory", "name a file")
    if not path.parent.is_dir():
        raise M4mError(f"{path}: cannot write: no such folder", f"try: mkdir -p {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise M4mError(f"{path}: cannot write: permission denied", "name another file")
