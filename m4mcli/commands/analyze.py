"""`m4m analyze`: chords, keys, beats and metre of a piece."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from m4mcli.batch import check_folder, stem
from m4mcli.each import for_each
from m4mcli.errors import FAILED, USAGE, M4mError
from m4mcli.options import Force, Invocation, Output, Quiet, Verbose, WhoseBeats, printable

if TYPE_CHECKING:
    from m4mcli.generation.request import Progress
    from m4mcli.score.read import Reading
    from m4mcli.tasks.analyze import Analysis

EXAMPLES = ("m4m analyze song.mid > song.json", "m4m analyze --chart song.mid", "m4m analyze --lab labels/ *.mid")
SHOWS_PROGRESS = SHARES_FILES = True
Form = Literal["json", "jsonl", "midi", "chart"]
Result = tuple[str, dict[str, Any]]
"""A piece's name, and its analysis, or its chart under that name."""

SUFFIXES: dict[Form, str] = {"json": ".json", "jsonl": ".jsonl", "midi": ".mid", "chart": ".txt"}

Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILE", show_default=False, help="MIDI, m4m JSON or ABC; - is standard input."),
]
Only = Annotated[
    str | None,
    typer.Option(
        "--only", metavar="LIST", show_default=False, help="Some of chords,keys,beats,metre,tempo,summary; else all."
    ),
]
AsLines = Annotated[bool, typer.Option("--jsonl", help="Write JSON, one object to a line and file.")]
AsMusic = Annotated[bool, typer.Option("--midi", help="Write the piece with the labels added to it as music.")]
AsChart = Annotated[bool, typer.Option("--chart", help="Write a chord chart.")]
LabFolder = Annotated[
    str | None,
    typer.Option("--lab", metavar="DIR", show_default=False, help="Also write .lab files, which mir_eval reads."),
]
OutDir = Annotated[
    str | None,
    typer.Option("--out-dir", metavar="DIR", show_default=False, help="Folder for the results, one file to a piece."),
]


def analyze(
    files: Files = None,
    only: Only = None,
    as_lines: AsLines = False,
    as_chart: AsChart = False,
    as_music: AsMusic = False,
    lab: LabFolder = None,
    beats: WhoseBeats = "auto",
    out_dir: OutDir = None,
    output: Output = "-",
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find the chords, keys, beats and metre of a piece.

    Beats and metre are those of the file where its notes fit them, else they are tracked in the notes. Chords and keys
    are found in the notes alone: key signatures, chord symbols and track names are not read. A file that cannot be read
    is reported, the others are analyzed, and the status is 1.
    """
    forms: dict[Form, bool] = {"jsonl": as_lines, "midi": as_music, "chart": as_chart}
    chosen = [form for form, wanted in forms.items() if wanted] or ["json"]
    if len(chosen) > 1:
        raise M4mError(f"--{chosen[0]} and --{chosen[1]} exclude each other", "give one of them", USAGE)
    plan = Plan(chosen[0], only, tuple(files or ()), beats, lab, out_dir, output)
    plan.check()
    run = Invocation("analyze", None, output, as_midi=as_music, force=force, quiet=quiet, verbose=verbose)
    each = for_each(
        run,
        plan.files,
        lambda one, progress: (one.file or "-", _analyzed(one, plan, progress)),
        "beats, chords, keys",
        out_dir,
    )
    if out_dir is None and not as_music:
        Invocation("analyze", output=output, force=force).write(_together(plan, each.values))
    if each.failed:
        raise typer.Exit(FAILED)


@dataclass(frozen=True)
class Plan:
    """What is written, and where: the options of these names."""

    form: Form
    only: str | None
    files: tuple[str, ...]
    beats: WhoseBeats
    lab: str | None
    out_dir: str | None
    output: str

    def check(self) -> None:
        """Raise M4mError for options that exclude each other and results that would overwrite each other."""
        from m4mcli.tasks.analyze import parse_parts

        several = len(self.files) > 1
        if self.out_dir is not None and self.output != "-":
            raise M4mError("--out-dir and -o exclude each other", "give one of them", USAGE)
        if self.form in ("chart", "midi") and self.only is not None:
            raise M4mError(f"--{self.form} and --only exclude each other", "give one of them", USAGE)
        if self.form == "midi" and several and self.out_dir is None:
            raise M4mError("--midi of several files needs a folder for them", "add --out-dir DIR", USAGE)
        for folder in (self.lab, self.out_dir):
            if folder is not None:
                check_folder(folder, self.files)
        if self.only is not None:
            parse_parts(self.only)
        for file in self.files if self.out_dir is not None else ():
            if file != "-" and self.path(file).resolve() == Path(file).resolve():
                raise M4mError(f"--out-dir {self.out_dir}: {file} lies there itself", "name another folder", USAGE)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the analysis that are wanted."""
        from m4mcli.tasks.analyze import PARTS, parse_parts

        return PARTS if self.only is None else parse_parts(self.only)

    def path(self, name: str | None) -> Path:
        """The file in --out-dir of a piece."""
        return Path(self.out_dir or "") / (stem(name) + SUFFIXES[self.form])


def _analyzed(run: Invocation, plan: Plan, progress: "Progress | None") -> dict[str, Any]:
    """Analyze one piece, write what is written for each, and return what is written for all together."""
    from m4mcli.tasks.analyze import analysis_form
    from m4mcli.tasks.analyze import analyze as find
    from m4mcli.tasks.labels import chord_chart, lab_files
    from m4mcli.tasks.on_beats import on_beats

    parts = plan.parts
    reading = run.read(music_out=plan.form == "midi" and plan.out_dir is None)
    placed = on_beats(reading, plan.beats, midi=plan.form == "midi")
    run.say(placed.why)
    if placed.warning:
        run.warn(placed.warning)
    reading = placed.reading
    found = find(reading.score, progress=progress)
    run.say(f"{len(found.grid.beat_ticks)} beats, {len(found.chords)} chords")
    if plan.lab is not None:
        Path(plan.lab).mkdir(parents=True, exist_ok=True)
        for suffix, text in lab_files(found, parts).items():
            replace(run, output=str(Path(plan.lab) / f"{stem(run.file)}.{suffix}")).write(text)
    if plan.out_dir is not None:
        Path(plan.out_dir).mkdir(parents=True, exist_ok=True)
        run = replace(run, output=str(plan.path(run.file)))
    if plan.form == "midi":
        _write_music(run, reading, found)
        return {}
    shown = run.file or "-"
    if plan.form == "chart":
        result: dict[str, Any] = {"chart": chord_chart(found)}
    else:
        head = {"m4m": 1, "kind": "analysis", "file": shown}
        result = head | analysis_form(found, parts) | {"warnings": list(reading.warnings)}
    if plan.out_dir is not None:
        run.write(_together(replace(plan, files=()), [(shown, result)]))
    return result


def _together(plan: Plan, results: Sequence[Result]) -> str:
    """The text of all results: one object or a list, lines, or charts under their files' names."""
    from m4mcli.tasks.analyze import form_text

    if plan.form == "chart":
        several = len(plan.files) > 1
        return "\n".join(f"{printable(name)}\n{one['chart']}" if several else one["chart"] for name, one in results)
    if plan.form == "jsonl":
        return "".join(json.dumps(one, ensure_ascii=False) + "\n" for _, one in results)
    texts = [form_text(one) for _, one in results]
    return ("[" + ",\n".join(texts) + "]" if len(plan.files) > 1 else texts[0]) + "\n"


def _write_music(run: Invocation, reading: "Reading", found: "Analysis") -> None:
    """The piece with its chords, its metre and markers of its keys added."""
    from m4mcli.score.write import append_tracks
    from m4mcli.tasks.labels import key_markers, label_tracks, with_markers

    tracks, markers = label_tracks(found), key_markers(found)
    if reading.midi is not None:
        run.write(with_markers(append_tracks(reading.midi, tracks), reading.score.tpq, markers))
    else:
        score = reading.score
        marked = sorted([*score.markers, *markers], key=lambda marker: marker[0])
        run.write_score(reading, replace(score, tracks=(*score.tracks, *tracks), markers=tuple(marked)))
