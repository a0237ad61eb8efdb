"""`m4m harmonize`: chords under a melody."""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import (
    AsJson,
    AsMidi,
    BestOf,
    DeviceName,
    File,
    Force,
    Invocation,
    Model,
    Output,
    Quiet,
    Seed,
    Temperature,
    Threads,
    TopK,
    TopP,
    Verbose,
)

if TYPE_CHECKING:
    from m4mcli.tasks.harmonize import NamedChord

EXAMPLES = (
    "m4m harmonize melody.mid > out.mid",
    'm4m harmonize --chords "G | . | . | D7 G" --seed 7 melody.mid -o out.mid',
)

Melody = Annotated[
    str | None,
    typer.Option("--melody", metavar="NAME|INDEX", show_default=False, help="The melody's track; else it is found."),
]
Count = Annotated[int, typer.Option("-n", "--count", min=1, metavar="N", help="Write N versions into --out-dir.")]
OutDir = Annotated[
    str | None,
    typer.Option("--out-dir", metavar="DIR", show_default=False, help="Folder for the versions of -n."),
]
Choose = Annotated[
    Literal["consensus", "likelihood"],
    typer.Option("--choose", help="By agreement among the samples, or by the model's likelihood."),
]
Prompt = Annotated[
    str | None,
    typer.Option("--prompt", metavar="FILE", show_default=False, help="The chord part's first bars, to go on from."),
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
Only = Annotated[bool, typer.Option("--only", help="Write the chord track alone.")]
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
    file: File = None,
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
    count: Count = 1,
    out_dir: OutDir = None,
    only: Only = False,
    chords_out: ChordsOut = None,
    model: Model = None,
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
    run = Invocation("harmonize", file, output, as_json, as_midi, force, quiet, verbose)
    if prompt == "-" and file in (None, "-"):
        raise M4mError("melody and --prompt cannot both come from standard input", "name a FILE", USAGE)
    targets = Targets(file, output, out_dir, chords_out, count)
    targets.check()

    from m4mcli.generation.sampling import Sampling
    from m4mcli.models.registry import find_model
    from m4mcli.progress import shown
    from m4mcli.tasks.harmonize import TASK, Wish, has_chord_part, open_network
    from m4mcli.tasks.harmonize import harmonize as write_chords
    from m4mcli.tasks.melody import find_melody
    from m4mcli.theory.instruments import parse_program
    from m4mcli.theory.keys import key_name, parse_key

    wish = Wish(
        chords=chords,
        per_bar=None if per_bar is None else PER_BAR[per_bar],
        key=None if key is None else parse_key(key),
        program=None if program is None else parse_program(program),
        sampling=Sampling(
            TASK.sampling.temperature if temperature is None else temperature,
            TASK.sampling.top_p if top_p is None else top_p,
            top_k,
        ),
        best_of=best_of or TASK.best_of,
        choice=choose,
        seed=run.seed(seed),
        count=count,
    )
    reading = run.read(music_out=out_dir is None)
    if prompt is not None:
        wish = replace(wish, prompt=replace(run, file=prompt).read(music_out=False).score)
    found = find_melody(reading.score, melody)
    (run.warn if found.skyline else run.say)(found.reason)
    if has_chord_part(reading.score) and not only:
        run.warn(f"the piece has a track named {TASK.track_name}: it is kept, and another one added")
    network = open_network(model, device, threads)
    began = time.monotonic()
    with shown("chords", quiet) as progress:
        results = write_chords(reading.score, found, network, wish, progress)
    for warning in results[0].warnings:
        run.warn(warning)
    run.say(
        f"{key_name(*results[0].key)}; model {find_model(model, TASK.name).name}, seed {wish.seed}, best of "
        f"{wish.best_of} by {wish.choice}, {network.provider}, {time.monotonic() - began:.1f} s"
    )
    if out_dir is not None:
        Path(out_dir).mkdir(parents=True, exist_ok=True)
    for version, result in enumerate(results, 1):
        if chords_out is not None:
            replace(run, output=targets.chords(version)).write(chord_lines(result.chords))
        suffix = ".json" if run.kind(reading) == "json" else ".mid"
        replace(run, output=targets.music(version, suffix)).write_added(reading, [result.track], only=only)


def chord_lines(chords: "tuple[NamedChord, ...]") -> str:
    """Bar, beat and symbol of each chord, one a line, with tabs."""
    return "".join(f"{c.bar}\t{c.beat:g}\t{c.symbol}\n" for c in chords)


@dataclass(frozen=True)
class Targets:
    """Where the versions and the chords' names go, from the options of these names."""

    file: str | None
    output: str
    out_dir: str | None
    chords_out: str | None
    count: int

    def check(self) -> None:
        """Raise M4mError for options that exclude each other and files that cannot be written: before any work, so
        that of two files not one alone is written."""
        if self.count > 1 and self.out_dir is None:
            raise M4mError(f"-n {self.count} needs a folder for its files", "add --out-dir DIR", USAGE)
        if self.out_dir is not None and self.output != "-":
            raise M4mError("--out-dir and -o exclude each other", "give one of them", USAGE)
        if self.chords_out == "-" and (self.count > 1 or (self.out_dir is None and self.output == "-")):
            what = f"{self.count} versions" if self.count > 1 else "music"
            raise M4mError(f"--chords-out - would mix chords and {what} on standard output", "name a FILE", USAGE)
        files = [Path(path) for path in (self.output, self.chords_out or "-") if path != "-"]
        if len({path.resolve() for path in files}) < len(files):
            raise M4mError("--chords-out and -o name the same file", "name two", USAGE)
        for path in files:
            _refuse_unwritable(path)
        if self.out_dir is not None and Path(self.out_dir).exists() and not Path(self.out_dir).is_dir():
            raise M4mError(f"{self.out_dir}: not a folder", "name another with --out-dir")

    def music(self, version: int, suffix: str) -> str:
        """The music of a version: `DIR/melody-1.mid`, or what -o says."""
        if self.out_dir is None:
            return self.output
        stem = "stdin" if self.file in (None, "-") else Path(str(self.file)).stem
        return str(Path(self.out_dir) / f"{stem}{self._number(version)}{suffix}")

    def chords(self, version: int) -> str:
        """The chords' names of a version: the FILE of --chords-out, with --out-dir numbered as the music is."""
        path = Path(str(self.chords_out))
        if self.out_dir is None or self.chords_out == "-":
            return str(path)
        return str(path.with_name(f"{path.stem}{self._number(version)}{path.suffix}"))

    def _number(self, version: int) -> str:
        return f"-{version:0{len(str(self.count))}}"


def _refuse_unwritable(path: Path) -> None:
    if path.is_dir():
        raise M4mError(f"{path}: cannot write: is a directory", "name a file")
    if not path.parent.is_dir():
        raise M4mError(f"{path}: cannot write: no such folder", f"try: mkdir -p {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise M4mError(f"{path}: cannot write: permission denied", "name another file")
