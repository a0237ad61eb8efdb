"""`m4m tokenize`: music as token ids for sequence models, and back."""

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from m4mcli.errors import FAILED, USAGE, M4mError
from m4mcli.options import AsJson, AsMidi, Force, Invocation, Output, Quiet, Verbose
from m4mcli.token_options import (
    AsArrays,
    AsLines,
    AsText,
    Bpe,
    Chords,
    Config,
    Decode,
    Files,
    KeySignatures,
    Pitches,
    Programs,
    Resolution,
    Rests,
    SchemeName,
    Tempos,
    TimeSignatures,
    TrainBpe,
    Velocities,
    Vocabulary,
    Wanted,
    Workers,
    named_files,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from m4mcli.tokens.corpus import Job
    from m4mcli.tokens.scheme import Tokens

EXAMPLES = (
    "m4m tokenize song.mid > song.tokens.json",
    "m4m tokenize --decode song.tokens.json > song.mid",
    "m4m tokenize --scheme remi --jsonl songs/ > songs.jsonl",
    "m4m tokenize --scheme abc --text song.mid > song.abc",
    "m4m tokenize --scheme tsd --train-bpe 20000 songs/ -o bpe.json",
)
SHOWS_PROGRESS = True


def tokenize(
    files: Files = None,
    scheme: SchemeName = None,
    decode: Decode = False,
    as_lines: AsLines = False,
    as_arrays: AsArrays = False,
    as_text: AsText = False,
    config: Config = None,
    resolution: Resolution = None,
    velocities: Velocities = None,
    pitches: Pitches = None,
    tempos: Tempos = None,
    time_signatures: TimeSignatures = None,
    key_signatures: KeySignatures = None,
    programs: Programs = None,
    rests: Rests = None,
    chords: Chords = None,
    train_bpe: TrainBpe = None,
    bpe: Bpe = None,
    vocabulary: Vocabulary = False,
    workers: Workers = None,
    output: Output = "-",
    as_json: AsJson = False,
    as_midi: AsMidi = False,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Turn music into tokens for a model, and back.

    What a scheme cannot hold is told. Any ids can be decoded: those that make no sense are skipped and counted.
    """
    run = Invocation("tokenize", None, output, as_json, as_midi, force, quiet, verbose)
    changes = {
        "resolution": resolution,
        "velocities": velocities,
        "pitches": pitches,
        "tempos": tempos,
        "time_signatures": time_signatures,
        "key_signatures": key_signatures,
        "programs": programs,
        "rests": rests,
        "chords": chords,
    }
    if train_bpe is not None and config is None and bpe is None:
        # frames has no merges; what has them is most used as REMI.
        scheme = scheme or "remi"
    job = _job(scheme, config, bpe, {name: value for name, value in changes.items() if value is not None})
    if vocabulary:
        from m4mcli.tokens.schemes import open_scheme

        run.write(open_scheme(job.scheme, job.settings).vocabulary.page())
        return
    wanted = Wanted(decode, as_lines, as_arrays, as_text)
    if train_bpe is not None:
        _train(run, files or [], job, train_bpe, workers)
        return
    names = named_files(run, files or [], wanted, job.scheme)
    if decode:
        _decode_all(run, names, job, wanted)
    else:
        _encode_all(run, names, job, wanted, workers)


def _job(scheme: str | None, config: str | None, bpe: str | None, changes: dict[str, object]) -> "Job":
    """The scheme and settings that the options name. Raises M4mError (status 2) where they do not go together."""
    from m4mcli.score.read import read_source
    from m4mcli.tokens.corpus import Job
    from m4mcli.tokens.miditok_form import settings_from_file
    from m4mcli.tokens.schemes import MIDITOK, open_scheme, takes_settings
    from m4mcli.tokens.written_settings import written_settings

    base = None
    if config is not None and bpe is not None:
        raise M4mError("--config and --bpe exclude each other", "the file of --bpe has the settings", USAGE)
    if (told := config or bpe) is not None:
        data, name = read_source(told)
        tokenization, base = settings_from_file(data.decode("utf-8", "replace"), name)
        named = MIDITOK.get(tokenization)
        if named is None:
            raise M4mError(f"{name}: a tokenizer of the kind {tokenization}", f"m4m has {', '.join(MIDITOK)}", USAGE)
        if scheme not in (None, named):
            raise M4mError(f"{name} is for the scheme {named}", "leave out --scheme", USAGE)
        if bpe is not None and changes:
            raise M4mError(f"--{next(iter(changes))} and --bpe exclude each other", "the merges have settings", USAGE)
        scheme = named
    scheme = scheme or "frames"
    if not takes_settings(scheme):
        if changes:
            option = next(iter(changes)).replace("_", "-")
            raise M4mError(f"the scheme {scheme} has no setting for --{option}", "name another with --scheme", USAGE)
        return Job(scheme)
    settings = written_settings(base, **changes)  # type: ignore[arg-type]
    return Job(scheme, open_scheme(scheme, settings).settings, bpe or "")


def _encode_all(run: Invocation, names: list[str], job: "Job", wanted: Wanted, workers: int | None) -> None:
    """Write the tokens of the files as they come; one that cannot be read is told, if there are others."""
    from m4mcli.parallel import available_processors, in_order
    from m4mcli.progress import make_way, shown
    from m4mcli.tokens.outputs import opened_sink

    if names == ["-"] and sys.stdin is not None and sys.stdin.isatty():
        raise M4mError("no FILE, and standard input is a terminal", "usage: m4m tokenize [OPTIONS] [FILE]...", USAGE)
    kind = "lines" if wanted.as_lines else "arrays" if wanted.as_arrays else "text" if wanted.as_text else "whole"
    several = len(names) > 1
    failed = 0
    with opened_sink(run.output, kind) as sink, shown("files" if several else "tokens", run.quiet) as progress:
        results = in_order(job, names, workers or available_processors()) if several else iter([job.done(names[0])])
        for number, done in enumerate(results, 1):
            if done.tokens is None:
                run.complain(M4mError(done.failure))
                failed += 1
            else:
                if run.output == "-":
                    make_way(sys.stdout)
                sink.add(done.tokens, done.file)
                for warning in done.warnings:
                    run.warn(f"{done.file}: {warning}" if done.file != "-" and kind != "whole" else warning)
                run.say(f"{done.notes} notes, {len(done.tokens.ids)} tokens")
            if progress is not None:
                progress(number, len(names))
    if failed:
        raise typer.Exit(FAILED)


def _decode_all(run: Invocation, names: list[str], job: "Job", wanted: Wanted) -> None:
    """Write the music that files of tokens hold; one that cannot be read is told, if there are others."""
    from m4mcli.progress import shown

    lines: list[str] = []
    failed = False
    with shown("files" if len(names) > 1 else "music", run.quiet) as progress:
        for done, name in enumerate(names, 1):
            try:
                lines += _decoded(replace(run, file=name), job, wanted.as_lines)
            except (M4mError, OSError) as error:
                if len(names) < 2:
                    raise
                run.complain(error)
                failed = True
            if progress is not None:
                progress(done, len(names))
    if wanted.as_lines:
        run.write("".join(lines))
    if failed:
        raise typer.Exit(FAILED)


def _decoded(run: Invocation, job: "Job", as_lines: bool) -> list[str]:
    """The pieces of one file of tokens, each as a line of m4m JSON; a single piece is written as music."""
    from m4mcli.score.json_form import score_to_json
    from m4mcli.score.read import Reading, read_source
    from m4mcli.tokens.packed_form import is_packed, read_packed
    from m4mcli.tokens.schemes import open_scheme
    from m4mcli.tokens.token_form import tokens_from_json

    source, name = read_source(run.file)
    read = read_packed(source, name) if is_packed(source) else tokens_from_json(source, name, job.scheme, job.settings)
    pieces = list(read)
    if not as_lines and len(pieces) != 1:
        raise M4mError(f"{name}: {len(pieces)} pieces, and one to write", "add --jsonl to write one to a line", USAGE)
    lines = []
    for number, piece in enumerate(pieces, 1):
        tokens = _unmerged(piece, job, name)
        score, skipped = open_scheme(tokens.scheme, tokens.settings).decode(tokens)
        if skipped:
            run.warn(_skipped(skipped, tokens, f"{name}, piece {number}" if len(pieces) > 1 else name))
        run.say(f"{len(tokens.ids)} tokens, {score.note_count} notes")
        if as_lines:
            lines.append(json.dumps(json.loads(score_to_json(score)), ensure_ascii=False) + "\n")
        else:
            run.write_score(Reading(score, None, "midi", ()), score)
    return lines


def _unmerged(tokens: "Tokens", job: "Job", name: str) -> "Tokens":
    """The tokens in the ids of their scheme. Raises M4mError where the merges are missing or others."""
    merges = job.merges()
    if merges is None:
        if tokens.bpe:
            raise M4mError(f"{name}: merged ids", "name the file of the merges with --bpe", USAGE)
        return tokens
    if tokens.bpe not in ("", merges.hash):
        raise M4mError(f"{name}: ids merged with other merges", "name the file that they were made with", USAGE)
    return merges.undone(tokens)


def _skipped(count: int, tokens: "Tokens", where: str) -> str:
    return f"{where}: {count} of {len(tokens.ids)} tokens make no sense where they stand and were skipped"


def _train(run: Invocation, files: list[str], job: "Job", size: int, workers: int | None) -> None:
    """Write a tokenizer file with merges learnt from these files."""
    from m4mcli.parallel import available_processors, in_order
    from m4mcli.progress import shown
    from m4mcli.tokens.bpe import train
    from m4mcli.tokens.corpus import files_in
    from m4mcli.tokens.schemes import open_scheme

    if not files:
        raise M4mError("no files to learn from", "name folders of music", USAGE)
    if job.bpe:
        raise M4mError("--train-bpe and --bpe exclude each other", "give one of them", USAGE)
    names = files_in(files)
    failures: list[str] = []

    def pieces() -> "Iterator[Tokens]":
        with shown("files", run.quiet) as progress:
            for number, done in enumerate(in_order(job, names, workers or available_processors()), 1):
                if done.tokens is None:
                    failures.append(done.failure)
                    run.complain(M4mError(done.failure))
                else:
                    yield done.tokens
                if progress is not None:
                    progress(number, len(names))

    text = train(pieces(), open_scheme(job.scheme, job.settings), size)
    if len(failures) == len(names):
        raise M4mError(f"none of {len(names)} files can be read", "name folders of music")
    run.write(text)
    if failures:
        raise typer.Exit(FAILED)
