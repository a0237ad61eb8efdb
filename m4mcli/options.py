"""The options that commands share, and the one way in and out of a command that follows from them.

A command names the options it takes by these types, hands their values to `Invocation`, and from then on reads,
writes, warns and reports through it.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from m4mcli.errors import USAGE, M4mError

if TYPE_CHECKING:
    from m4mcli.score.read import Reading
    from m4mcli.score.score import Score, Track

Kind = Literal["midi", "json"]
Device = Literal["cpu", "cuda", "auto"]

SUFFIXES: dict[str, Kind] = {".mid": "midi", ".midi": "midi", ".kar": "midi", ".json": "json"}
RANDOM_SEED_BITS = 31

File = Annotated[
    str | None,
    typer.Argument(metavar="FILE", show_default=False, help="MIDI, m4m JSON or ABC to read; - is standard input."),
]
Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILE", show_default=False, help="MIDI, m4m JSON or ABC to read; - is standard input."),
]
Count = Annotated[int, typer.Option("-n", "--count", min=1, metavar="N", help="Write N versions into --out-dir.")]
OutDir = Annotated[
    str | None,
    typer.Option(
        "--out-dir", metavar="DIR", show_default=False, help="Folder for the results of several files, or of -n."
    ),
]
Only = Annotated[bool, typer.Option("--only", help="Write what is new alone.")]
Prompt = Annotated[
    str | None,
    typer.Option("--prompt", metavar="FILE", show_default=False, help="The new part's first bars, to go on from."),
]
Strictness = Annotated[
    float,
    typer.Option(
        "--strictness", min=0, max=10, metavar="S", help="How strictly what is given is followed; 1: as learnt."
    ),
]
InstrumentList = Annotated[
    str | None,
    typer.Option(
        "--instruments", metavar="LIST", show_default=False, help="Only these, such as piano,bass,drums; else as fits."
    ),
]
Output = Annotated[
    str,
    typer.Option("-o", "--output", metavar="FILE", show_default=False, help="Write to FILE, not to standard output."),
]
WhoseBeats = Annotated[
    Literal["auto", "file", "track"],
    typer.Option("--beats", help="Beats of the file, tracked in its notes, or tracked if the file's do not fit."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write m4m JSON, whatever came in.")]
AsMidi = Annotated[bool, typer.Option("--midi", help="Write MIDI, whatever came in.")]
Force = Annotated[bool, typer.Option("-f", "--force", help="Write MIDI even to a terminal.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print no warnings.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say on standard error what is done.")]
Seed = Annotated[
    str,
    typer.Option(
        "--seed",
        metavar="N",
        envvar="M4M_SEED",
        help="Same seed, same notes; 'random' draws one and prints it.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="NAME|DIR", show_default=False, help="A shipped model's name, or a model's folder."
    ),
]
StyleFile = Annotated[
    str | None,
    typer.Option("--adapter", metavar="FILE", show_default=False, help="A style to write in, of m4m adapt."),
]
DeviceName = Annotated[Device, typer.Option("--device", help="Where the model runs; auto takes a GPU if there is one.")]
Threads = Annotated[int, typer.Option("--threads", min=1, metavar="N", help="Processor threads for the model.")]

Bars = Annotated[
    str | None, typer.Option("--bars", metavar="N-M", show_default=False, help="Only these bars; a pickup is bar 0.")
]
Soundfont = Annotated[
    str | None,
    typer.Option(
        "--soundfont",
        metavar="FILE",
        envvar="M4M_SOUNDFONT",
        show_default=False,
        help="An .sf2 file, or none for the plain tone; else the first that is found.",
    ),
]

Temperature = Annotated[
    float | None,
    typer.Option("--temperature", min=0, metavar="T", show_default=False, help="Boldness; 0 takes the likeliest."),
]
TopP = Annotated[
    float | None,
    typer.Option(
        "--top-p",
        min=0,
        max=1,
        metavar="P",
        show_default=False,
        help="Choose among the likeliest, P together.",
    ),
]
TopK = Annotated[int, typer.Option("--top-k", min=0, metavar="K", help="Choose among the K likeliest; 0: all.")]
Attributes = Annotated[
    list[str] | None,
    typer.Option(
        "--attribute",
        metavar="NAME=X",
        show_default=False,
        help="X times more of density, pitch, range or syncopation; less below 0; repeatable.",
    ),
]
BestOf = Annotated[
    int | None,
    typer.Option("--best-of", min=1, metavar="N", show_default=False, help="Samples from which one is chosen."),
]


def require_one_place(out_dir: str | None, output: str) -> None:
    """Raise M4mError where --out-dir and -o are both given, or --out-dir is no folder."""
    from pathlib import Path

    if out_dir is not None and output != "-":
        raise M4mError("--out-dir and -o exclude each other", "give one of them", USAGE)
    if out_dir is not None and Path(out_dir).exists() and not Path(out_dir).is_dir():
        raise M4mError(f"{out_dir}: not a folder", "name another")


def printable(text: str) -> str:
    """The text in one line that a terminal shows as it is: no escape codes, no line ends, no other control."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))


_held_back: ContextVar[list[str] | None] = ContextVar("held_back", default=None)


@contextmanager
def held_back() -> Iterator[list[str]]:
    """Inside it messages are not printed but kept, in the list that is given."""
    messages = list[str]()
    before = _held_back.set(messages)
    try:
        yield messages
    finally:
        _held_back.reset(before)


def tell(message: str) -> None:
    """Print a message as one line on standard error. Where that is closed or full the work goes on untold."""
    if (messages := _held_back.get()) is not None:
        messages.append(message)
        return
    from m4mcli.progress import make_way

    if sys.stderr is None:
        return
    try:
        make_way(sys.stderr)
        sys.stderr.write(printable(message) + "\n")
        sys.stderr.flush()
    except OSError:
        # Otherwise the interpreter tries again while it ends, and fails.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


@dataclass(frozen=True)
class Invocation:
    """One run of a command: where its music comes from and goes to, and how much it tells.

    `command` is the name that messages begin with; `file` and `output` are paths or `-` (`file` is None when no
    operand was given); `as_json` and `as_midi` overrule the kind of the output; `force` allows MIDI on a terminal;
    `about` is the file that messages name, where there are several; `written` lists the files that were written.
    """

    command: str
    file: str | None = None
    output: str = "-"
    as_json: bool = False
    as_midi: bool = False
    force: bool = False
    quiet: bool = False
    verbose: bool = False
    about: str = ""
    written: list[str] = field(default_factory=list, compare=False)

    def warn(self, message: str) -> None:
        """Print `m4m CMD: warning: message` on standard error, unless the run is quiet."""
        if not self.quiet:
            self._tell(f"warning: {message}")

    def say(self, message: str) -> None:
        """Print `m4m CMD: message` on standard error if the run is verbose."""
        if self.verbose:
            self._tell(message)

    def seed(self, value: str) -> int:
        """The seed that `--seed` names: a whole number from 0, or one drawn now and printed for `random`."""
        if value == "random":
            import secrets

            drawn = secrets.randbits(RANDOM_SEED_BITS)
            self._tell(f"seed {drawn}")
            return drawn
        if not (value.isascii() and value.isdecimal()):
            raise M4mError(f"--seed {value!r} is no seed", "give a whole number from 0, or random", USAGE)
        return int(value)

    def read(self, *, music_out: bool = True) -> "Reading":
        """The music of FILE or standard input; prints the reader's warnings.

        Raises M4mError with status 2 if no FILE was given and standard input is a terminal, and, if music is to be
        written (`music_out`), if that would be MIDI on a terminal: told before the work, not after it.
        """
        from m4mcli.score.read import read_score, read_source

        if self.file is None and sys.stdin is not None and sys.stdin.isatty():
            usage = f"m4m {self.command} [OPTIONS] [FILE]"
            raise M4mError("no FILE, and standard input is a terminal", f"usage: {usage} (-h for help)", USAGE)
        if self.as_json and self.as_midi:
            raise M4mError("--json and --midi exclude each other", "give one of them", USAGE)
        source, name = read_source(None if self.file in (None, "-") else self.file)
        reading = read_score(source, name)
        for warning in reading.warnings:
            self.warn(warning)
        to_terminal = self.output == "-" and sys.stdout is not None and sys.stdout.isatty()
        if music_out and to_terminal and not self.force and self.kind(reading) == "midi":
            raise M4mError(
                "MIDI is not written to a terminal", "redirect with > out.mid, use -o FILE, or --json", USAGE
            )
        return reading

    def kind(self, reading: "Reading") -> Kind:
        """The kind of the output: as `--json`, `--midi` or the suffix of `-o` say, else the input's; MIDI for ABC."""
        if self.as_json or self.as_midi:
            return "json" if self.as_json else "midi"
        suffix = PurePath(self.output).suffix.lower()
        return SUFFIXES.get(suffix, "json" if reading.kind == "json" else "midi")

    def write_score(self, reading: "Reading", score: "Score") -> None:
        """Write a score whose notes are not those of the reading."""
        from m4mcli.score.json_form import score_to_json
        from m4mcli.score.write import score_to_midi

        self.write(score_to_json(score) if self.kind(reading) == "json" else score_to_midi(score))

    def write_made(self, score: "Score") -> None:
        """Write a score that no file was the beginning of: m4m JSON where that is asked for, else MIDI."""
        from m4mcli.score.json_form import score_to_json
        from m4mcli.score.write import score_to_midi

        wanted = self.as_json or SUFFIXES.get(PurePath(self.output).suffix.lower()) == "json"
        self.write(score_to_json(score) if wanted else score_to_midi(score))

    def write_added(self, reading: "Reading", tracks: Sequence["Track"], *, only: bool = False) -> None:
        """Write what was read with `tracks` added: every event of a MIDI input stays as it was.

        With `only` the new tracks are written alone, under the tempi and signatures of the input.
        """
        from dataclasses import replace

        from m4mcli.score.write import append_tracks

        score = reading.score
        whole = replace(score, tracks=tuple(tracks) if only else (*score.tracks, *tracks))
        if only or reading.midi is None or self.kind(reading) == "json":
            self.write_score(reading, whole)
        else:
            self.write(append_tracks(reading.midi, tuple(tracks)))

    def write(self, data: bytes | str) -> None:
        """Write a finished result: MIDI as bytes, anything else as text."""
        from m4mcli.progress import make_way
        from m4mcli.score.write import write_output

        if self.output == "-":
            make_way(sys.stdout)
        write_output(data, None if self.output == "-" else self.output, force=self.force)
        if self.output != "-":
            self.written.append(self.output)

    def complain(self, error: Exception) -> None:
        """Print one failure of several, when the run goes on after it."""
        self._tell(str(error))

    def _tell(self, message: str) -> None:
        kind, text = ("warning: ", message[9:]) if message.startswith("warning: ") else ("", message)
        about = f"{self.about}: " if self.about and not text.startswith(self.about) else ""
        tell(f"m4m {self.command}: {kind}{about}{text}")
