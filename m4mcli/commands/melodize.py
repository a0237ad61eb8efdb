"""`m4m melodize`: a melody over chords."""

import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from m4mcli.batch import Batch
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
    from collections.abc import Sequence

    from m4mcli.batch import Write
    from m4mcli.generation.request import Progress
    from m4mcli.score.read import Reading
    from m4mcli.tasks.chord_sheet import ChordSheet

EXAMPLES = (
    'm4m melodize --chords "Dm7 | G7 | Cmaj7 / A7b9 |" --tempo 96 --bars 16 > tune.mid',
    "m4m melodize --range C4-A5 --program violin --seed 3 song.mid -o out.mid",
    "m4m analyze song.mid | m4m melodize -o over-the-same-chords.mid",
)
SHOWS_PROGRESS = SHARES_FILES = True

ChordsTrack = Annotated[
    str | None,
    typer.Option(
        "--chords-track", metavar="NAME|INDEX", show_default=False, help="The chords' track; else it is found."
    ),
]
Chords = Annotated[
    str | None,
    typer.Option("--chords", metavar="TEXT", show_default=False, help='The chords, "Dm7 | G7 | C"; no FILE needed.'),
]
Tempo = Annotated[
    float | None,
    typer.Option(
        "--tempo",
        min=4,
        max=1000,
        metavar="BPM",
        show_default=False,
        help="Quarter notes a minute under --chords; else 120.",
    ),
]
Time = Annotated[
    str | None,
    typer.Option("--time", metavar="N/D", show_default=False, help="Time signature under --chords; else 4/4."),
]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="KEY", show_default=False, help="The chords' key, such as 'F# minor'; else found."),
]
Bars = Annotated[
    int | None,
    typer.Option(
        "--bars", min=1, max=4096, metavar="N", show_default=False, help="Repeat --chords to fill N bars; else once."
    ),
]
Range = Annotated[
    str | None,
    typer.Option(
        "--range", metavar="LOW-HIGH", show_default=False, help="Lowest and highest note, C4-A5; else as for --program."
    ),
]
Density = Annotated[float, typer.Option("--density", metavar="X", help="1: as learnt; 2: more notes; 0.5: fewer.")]
ProgramName = Annotated[
    str | None,
    typer.Option(
        "--program",
        metavar="NAME|N",
        show_default=False,
        help="The melody's instrument: a General MIDI name or 0 to 127; else that of --prompt, or piano.",
    ),
]
Choose = Annotated[
    Literal["consensus", "likelihood"],
    typer.Option("--choose", help="By fit with the chords, or by the model's likelihood."),
]


def melodize(
    files: Files = None,
    chords_track: ChordsTrack = None,
    chords: Chords = None,
    tempo: Tempo = None,
    time_signature: Time = None,
    key: Key = None,
    length_bars: Bars = None,
    compass: Range = None,
    density: Density = 1.0,
    program: ProgramName = None,
    prompt: Prompt = None,
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
    """Add a melody to chords.

    The chords are a track of the input, what m4m analyze found, or written out. The melody is one note at a time, in
    range, and ends with the chords. Every event of the input stays as it is. The same seed gives the same melody.
    """
    _check(files, prompt, written=chords is not None, track=chords_track is not None)
    if chords is None and (tempo, time_signature, length_bars) != (None, None, None):
        raise M4mError("--tempo, --time and --bars are for --chords", "what is read has its own", USAGE)
    if files and (tempo, time_signature) != (None, None):
        raise M4mError("--tempo and --time exclude a FILE", "the chords take its tempo and metre", USAGE)

    from m4mcli.generation.draw import Draw
    from m4mcli.models.registry import find_model
    from m4mcli.models.session import open_network
    from m4mcli.tasks.chord_sheet import ChordSheet, parse_time
    from m4mcli.tasks.chord_source import find_chords
    from m4mcli.tasks.melodize import TASK, MelodyWish, has_melody_part
    from m4mcli.tasks.melodize import melodize as write_melodies
    from m4mcli.theory.instruments import parse_program
    from m4mcli.theory.keys import key_name, parse_key
    from m4mcli.theory.names import pitch_name
    from m4mcli.theory.pitches import parse_range

    told = None if key is None else parse_key(key)
    time_parts = None if time_signature is None else parse_time(time_signature)
    sheet = None if chords is None else ChordSheet(chords, length_bars, tempo, time_parts, told)
    run = Sources("melodize", None, output, as_json, as_midi, force, quiet, verbose, sheet=sheet)
    batch = Versions(run, tuple(files or ()), out_dir, count)
    sampling = TASK.sampling.asked(temperature, top_p, top_k)
    wish = MelodyWish(
        Draw(sampling, best_of or TASK.best_of, count, run.seed(seed), strictness),
        choose,
        None if compass is None else parse_range(compass),
        density,
        None if program is None else parse_program(program),
        None,
        told,
    )
    if prompt is not None:
        wish = replace(wish, prompt=replace(run, file=prompt, sheet=None).read(music_out=False).score)
    found_model = find_model(model, TASK.name)
    network = open_network(found_model, TASK.name, device, threads, adapter)

    def versions(run: Invocation, reading: "Reading", progress: "Progress | None") -> "Sequence[Write]":
        score, added = reading.score, []
        if sheet is not None and run.file is not None:
            added = [sheet.track(score)]
            score = score.with_track(added[0])
        found = find_chords(score, str(len(score.tracks)) if sheet is not None else chords_track)
        if sheet is None:
            (run.warn if found.broken else run.say)(found.reason)
        if has_melody_part(score) and not only:
            run.warn(f"the piece has a track named {TASK.track_name}: it is kept, and another one added")
        began = time.monotonic()
        own = replace(wish.how, best_of=best_of or TASK.samples_for(score))
        results = write_melodies(score, found, network, replace(wish, how=own), progress)
        for warning in results[0].warnings:
            run.warn(warning)
        run.say(
            f"{key_name(*results[0].key)}, {'-'.join(map(pitch_name, results[0].compass))}; model {found_model.name}, "
            f"seed {own.seed}, best of {own.best_of} by {choose}, {network.provider}, "
            f"{time.monotonic() - began:.1f} s"
        )
        kept = [] if only else added
        return [
            lambda run, track=result.track: run.write_added(reading, [*kept, track], only=only)  # type: ignore[misc]
            for result in results
        ]

    batch.write_all(versions, "melody", network.at_once(wish.how.best_of))


def _check(files: list[str] | None, prompt: str | None, *, written: bool, track: bool) -> None:
    """Raise M4mError for options that exclude each other."""
    if written and track:
        raise M4mError("--chords and --chords-track exclude each other", "give one of them", USAGE)
    reads_stdin = "-" in files if files else not written
    if prompt == "-" and reads_stdin:
        raise M4mError("chords and --prompt cannot both come from standard input", "name a FILE", USAGE)


@dataclass(frozen=True)
class Sources(Invocation):
    """An Invocation that also reads what m4m analyze writes, and that needs nothing to read where chords are written.

    Music that is made of either is MIDI unless asked for otherwise.
    """

    sheet: "ChordSheet | None" = None

    def read(self, *, music_out: bool = True) -> "Reading":
        """As Invocation.read."""
        from m4mcli.score.read import Reading, read_score, read_source
        from m4mcli.tasks.analysed_chords import analysed_score, is_analysis

        if self.as_json and self.as_midi:
            raise M4mError("--json and --midi exclude each other", "give one of them", USAGE)
        if self.sheet is not None and self.file is None:
            reading = Reading(self.sheet.score(), None, "midi", ())
        else:
            source, name = read_source(None if self.file in (None, "-") else self.file)
            analysed = is_analysis(source)
            reading = Reading(analysed_score(source, name), None, "midi", ()) if analysed else read_score(source, name)
        for warning in reading.warnings:
            self.warn(warning)
        to_terminal = self.output == "-" and sys.stdout is not None and sys.stdout.isatty()
        if music_out and to_terminal and not self.force and self.kind(reading) == "midi":
            raise M4mError(
                "MIDI is not written to a terminal", "redirect with > out.mid, use -o FILE, or --json", USAGE
            )
        return reading


class Versions(Batch):
    """A Batch in which music that was made of nothing but written chords is called `melody`."""

    def path(self, run: Invocation, number: int, suffix: str) -> str:
        """As Batch.path."""
        made = isinstance(run, Sources) and run.sheet is not None and run.file is None
        return super().path(replace(run, file="melody") if made else run, number, suffix)
