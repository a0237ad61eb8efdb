"""`m4m harmonize`: chords under a melody."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import (
    AsJson,
    AsMidi,
    DeviceName,
    File,
    Force,
    Invocation,
    Model,
    Output,
    Quiet,
    Seed,
    Threads,
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
Temperature = Annotated[
    float | None,
    typer.Option("--temperature", min=0, metavar="T", show_default=False, help="Boldness; 0 takes the likeliest."),
]
TopP = Annotated[
    float | None,
    typer.Option(
        "--top-p", min=0, max=1, metavar="P", show_default=False, help="Choose among the likeliest that hold P together."
    ),
]
TopK = Annotated[int, typer.Option("--top-k", min=0, metavar="K", help="Choose among the K likeliest; 0: all.")]
Count = Annotated[int, typer.Option("-n", "--count", min=1, metavar="N", help="Write N versions into --out-dir.")]
OutDir = Annotated[
    str | None,
    typer.Option("--out-dir", metavar="DIR", show_default=False, help="Folder for the versions of -n."),
]
BestOf = Annotated[
    int | None,
    typer.Option("--best-of", min=1, metavar="N", show_default=False, help="Samples from which one is chosen."),
]
Choose = Annotated[
    Literal["consensus", "likelihood"],
    typer.Option("--choose", help="By agreement among the samples, or by the model's likelihood."),
]
Prompt = Annotated[
    str | None,
    typer.Option("--prompt", metavar="FILE", show_default=False, help="The first bars of the chord part, to go on from."),
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
    str,
    typer.Option("--program", metavar="NAME|N", help="Instrument of the chords: a General MIDI name or 0 to 127."),
]


def harmonize(
    file: File = None,
    melody: Melody = None,
    chords: Chords = None,
    key: Key = None,
    per_bar: PerBar = None,
    prompt: Prompt = None,
    program: ProgramName = "0",
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
    if count > 1 and out_dir is None:
        raise M4mError(f"-n {count} needs a folder for its files", "add --out-dir DIR", USAGE)
    if out_dir is not None and output != "-":
        raise M4mError("--out-dir and -o exclude each other", "give one of them", USAGE)

    from dataclasses import replace

    from m4mcli.generation.sampling import Sampling
    from m4mcli.progress import shown
    from m4mcli.score.read import read_score, read_source
    from m4mcli.tasks.harmonize import TASK, Wish, open_network
    from m4mcli.tasks.harmonize import harmonize as write_chords
    from m4mcli.tasks.melody import find_melody
    from m4mcli.theory.instruments import parse_program
    from m4mcli.theory.keys import parse_key

    wish = Wish(
        chords=chords,
        prompt=None if prompt is None else read_score(*read_source(prompt)).score,
        per_bar=None if per_bar is None else {"1": 1, "2": 2, "4": 4}[per_bar],  # type: ignore[arg-type]
        key=None if key is None else parse_key(key),
        program=parse_program(program),
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
    found = find_melody(reading.score, melody)
    (run.warn if found.skyline else run.say)(found.reason)
    network = open_network(model, device, threads)
    run.say(f"seed {wish.seed}, best of {wish.best_of} by {wish.choice}, {network.provider}")
    with shown("chords", quiet) as progress:
        results = write_chords(reading.score, found, network, wish, progress)
    if out_dir is None:
        if chords_out is not None:
            replace(run, output=chords_out).write(chord_lines(results[0].chords))
        run.write_added(reading, [results[0].track], only=only)
        return
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    stem = "stdin" if file in (None, "-") else Path(str(file)).stem
    suffix = ".json" if run.kind(reading) == "json" else ".mid"
    for i, result in enumerate(results, 1):
        path = folder / f"{stem}-{i}{suffix}"
        replace(run, output=str(path)).write_added(reading, [result.track], only=only)
        if chords_out is not None:
            replace(run, output=str(folder / f"{stem}-{i}.chords.tsv")).write(chord_lines(result.chords))


def chord_lines(chords: "tuple[NamedChord, ...]") -> str:
    """Bar, beat and symbol of each chord, one a line, with tabs."""
    return "".join(f"{c.bar}\t{c.beat:g}\t{c.symbol}\n" for c in chords)
