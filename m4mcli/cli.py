"""The `m4m` command line: the table of commands, and what happens when one ends well or badly."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Annotated

import typer
from typer.main import get_command

from m4mcli import __version__
from m4mcli.command_tree import SETTINGS, Entry, lazy_group, usage_message
from m4mcli.errors import DONE, FAILED, INTERRUPTED, USAGE, M4mError
from m4mcli.options import tell

DATASET = {
    "build": Entry("m4mcli.commands.dataset_build:build", "Pack corpora for training."),
    "filter": Entry("m4mcli.commands.dataset_filter:filter_", "Make a pack of the pieces that are as wanted."),
    "stats": Entry("m4mcli.commands.dataset_stats:stats", "Count what is in a pack, as a table or plots."),
    "make": Entry("m4mcli.commands.dataset_make:make", "Make a corpus by rule, to try a model on."),
}

COMMANDS = {
    "harmonize": Entry("m4mcli.commands.harmonize:harmonize", "Add chords to a melody."),
    "melodize": Entry("m4mcli.commands.melodize:melodize", "Add a melody to chords."),
    "drumify": Entry("m4mcli.commands.drumify:drumify", "Add drums to music."),
    "accompany": Entry("m4mcli.commands.accompany:accompany", "Add other instruments to drums."),
    "continue": Entry("m4mcli.commands.continue_:continue_", "Write more bars in the manner of a piece."),
    "infill": Entry("m4mcli.commands.infill:infill", "Make some bars of a piece new."),
    "analyze": Entry("m4mcli.commands.analyze:analyze", "Find chords, keys, beats and metre."),
    "quantize": Entry("m4mcli.commands.quantize:quantize", "Move notes onto a grid of the beat."),
    "tokenize": Entry("m4mcli.commands.tokenize:tokenize", "Turn music into tokens for a model, and back."),
    "info": Entry("m4mcli.commands.info:info", "Say what is in a file: length, metre, tempo, tracks."),
    "roll": Entry("m4mcli.commands.roll:roll", "Show a piano roll, on the terminal or as a picture."),
    "render": Entry("m4mcli.commands.render:render", "Turn a piece into sound, a WAV file."),
    "play": Entry("m4mcli.commands.play:play", "Play a piece through the speakers or to a MIDI port."),
    "pipe": Entry("m4mcli.commands.pipe:pipe", "Run a chain of commands in one process."),
    "map": Entry("m4mcli.commands.map:map_", "Run a command on every file of a corpus."),
    "diff": Entry("m4mcli.commands.diff:diff", "Say where two pieces differ as music."),
    "check": Entry("m4mcli.commands.check:check", "Say what is odd about a file, and mend it."),
    "train": Entry("m4mcli.commands.train:train", "Train a model from a recipe."),
    "adapt": Entry("m4mcli.commands.adapt:adapt", "Make a model write in the manner of one's own files."),
    "sample": Entry("m4mcli.commands.sample:sample", "Write new music with a model over tokens, or of melodies."),
    "interpolate": Entry("m4mcli.commands.interpolate:interpolate", "Write the melodies between two melodies."),
    "export-onnx": Entry("m4mcli.commands.export_onnx:export_onnx", "Turn a checkpoint into ONNX graphs."),
    "evaluate": Entry("m4mcli.commands.evaluate:evaluate", "Measure music, or a model on unseen pieces."),
    "dataset": Entry("m4mcli.commands.dataset:dataset", "Pack, filter, count and make corpora.", DATASET),
    "doctor": Entry("m4mcli.commands.doctor:doctor", "Say what this installation has, and what it lacks."),
    "completions": Entry("m4mcli.commands.completions:completions", "Print the TAB completions of a shell."),
}

NEEDS = {
    "torch": "train",
    "safetensors": "train",
    "onnx": "train",
    "onnxscript": "train",
    "mir_eval": "evaluate",
    "PIL": "picture",
    "rtmidi": "play",
    "tokenizers": "bpe",
    "ray": "cluster",
    "fsspec": "cluster",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
}
"""Optional packages and the extra of `m4m[...]` that brings them."""

app = typer.Typer(
    cls=lazy_group(COMMANDS),
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)


@app.callback(invoke_without_command=True)
def m4m(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="With --version: those of the models too.")] = False,
) -> None:
    """Music for music: small tools that read and write MIDI or JSON on standard input and output.

    \b
    Examples:
      m4m harmonize melody.mid > song.mid
      m4m quantize --grid 1/16 played.mid | m4m harmonize -o song.mid
    """
    if version:
        typer.echo("\n".join([f"m4m {__version__}", *(_models() if verbose else ())]))
        raise typer.Exit
    if verbose:
        raise M4mError("-v stands behind the name of a command, or with --version", "m4m --help", USAGE)
    if context.invoked_subcommand is None:
        raise M4mError("no command", "m4m --help lists them", USAGE)


def _models() -> Iterator[str]:
    from m4mcli.models.registry import available, fingerprint

    for name, path in available().items():
        yield f"{name} {fingerprint(path)}"


def main() -> None:
    """Run `m4m` with the arguments of this process and exit with its status."""
    _hold_standard_descriptors()
    if hasattr(signal, "SIGPIPE"):
        # A reader that leaves early (`m4m ... | head -c1`) ends us silently, as it does any Unix filter.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(run(sys.argv[1:]))


def _hold_standard_descriptors() -> None:
    """Open what is closed of standard input, output and error, so that no file that is opened later takes its place."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def run(arguments: list[str]) -> int:
    """Run one command and return the exit status; every failure becomes one line on standard error."""
    if arguments[:1] == ["help"]:
        arguments = [*(word for word in arguments[1:] if word != "help"), "--help"]
    if not arguments:
        # On standard error: in `... | m4m > out.mid` the help must not become the file.
        with contextlib.redirect_stdout(sys.stderr):
            return run(["--help"]) or USAGE
    program = " ".join(["m4m", *_named(arguments)])
    try:
        status = get_command(app).main(arguments, prog_name="m4m", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status if isinstance(status, int) else DONE
    except BaseException as error:
        if os.environ.get("M4M_DEBUG") == "1":
            raise
        status, line = explain(error, program)
        if line:
            _complain(f"{program}: {line}")
        return status


def _named(arguments: list[str]) -> list[str]:
    """The words of the command line that name the command."""
    entry = COMMANDS.get(arguments[0])
    if entry is None:
        return []
    return arguments[:2] if arguments[1:2] and arguments[1] in entry.parts else arguments[:1]


def explain(error: BaseException, program: str = "m4m") -> tuple[int, str]:
    """The exit status for an error and the line that tells it; no line for an interruption."""
    match error:
        case M4mError():
            return error.status, str(error)
        case KeyboardInterrupt():
            return INTERRUPTED, ""
        case typer.TyperException():
            text = usage_message(error)
            return error.exit_code, text if "; " in text else f"{text}; try: {program} --help"
        case typer.Abort():
            return INTERRUPTED, ""
        case BrokenPipeError():
            return FAILED, ""
        case OSError():
            where = f"{error.filename}: " if error.filename is not None else ""
            return FAILED, f"{where}{(error.strerror or str(error)).lower()}"
        case MemoryError():
            return FAILED, "out of memory; try a shorter piece"
        case ModuleNotFoundError() if (package := (error.name or "").partition(".")[0]) in NEEDS:
            return FAILED, f"needs {package}, which is not installed; try: pip install 'm4m[{NEEDS[package]}]'"
        case Exception():
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return FAILED, f"internal error: {what}; please report it, M4M_DEBUG=1 shows where it happened"
    raise error


def _complain(line: str) -> None:
    """Write one line on standard error, and forget what standard output could not take."""
    tell(line)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        # Otherwise the interpreter tries again while it ends, and says so in a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
