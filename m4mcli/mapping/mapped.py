"""A chain of commands over a corpus: files in, results and a manifest out, whichever engine does it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from m4mcli.errors import USAGE, M4mError
from m4mcli.manifest import Manifest
from m4mcli.mapping.engines import Engine
from m4mcli.mapping.work import Chain, Job, Work
from m4mcli.options import Invocation, tell
from m4mcli.stores import Source, Store, sources

MANIFEST = "manifest.jsonl"


@dataclass(frozen=True)
class Plan:
    """What is run on which files, where the results go, how their names end, and whether an earlier run goes on."""

    chain: Chain
    patterns: tuple[str, ...]
    out: str
    suffix: str | None = None
    resume: bool = False


@dataclass(frozen=True)
class Mapped:
    """How many files were made, were done before, and failed."""

    made: int
    kept: int
    failed: int


def mapped(plan: Plan, engine: Engine, run: Invocation, progress: Callable[[int, int], None] | None = None) -> Mapped:
    """Run the chain on every file; what fails is told, and the manifest is kept in the folder.

    Raises M4mError for files that are not there, results that would overwrite what they are made from or each other,
    and a folder that cannot be written to.
    """
    files = sources(plan.patterns)
    _check(plan, files)
    folder = Store(plan.out)
    manifest = Manifest(folder, MANIFEST)
    known = manifest.known if plan.resume else {}
    work = Work(plan.chain, folder, plan.chain.key, plan.suffix)
    manifest.save()
    made = kept = failed = 0
    try:
        outcomes = engine.run(work, (Job(file, known.get(file.name)) for file in files))
        for done, outcome in enumerate(outcomes, 1):
            name = outcome.entry.file
            for line in outcome.messages if not run.quiet else ():
                step, is_warning, text = line.removeprefix("m4m ").partition(": warning: ")
                tell(f"m4m {run.command}: {is_warning.removeprefix(': ')}{name}: {step}{': ' * bool(text)}{text}")
            if outcome.entry.failure:
                replace(run, about=name).complain(M4mError(outcome.entry.failure.removeprefix("m4m ")))
                failed += 1
            elif outcome.made:
                made += 1
            else:
                kept += 1
            manifest.add(outcome.entry)
            if progress is not None:
                progress(done, len(files))
    finally:
        manifest.save()
    return Mapped(made, kept, failed)


def _check(plan: Plan, files: list[Source]) -> None:
    if plan.suffix is not None and not (plan.suffix.startswith(".") and len(plan.suffix) > 1):
        raise M4mError(f"--suffix {plan.suffix} is none", "write it with its dot: .json", USAGE)
    folder = Path(plan.out)
    if "://" not in plan.out:
        if folder.exists() and not folder.is_dir():
            raise M4mError(f"{plan.out}: not a folder", "name another")
        for file in files:
            if "://" not in file.place and (folder / file.name).resolve() == Path(file.place).resolve():
                raise M4mError(f"--out {plan.out}: {file.place} lies there itself", "name another folder", USAGE)
    stems = dict[str, str]()
    for file in files:
        stem = file.name.rpartition(".")[0] or file.name
        if (other := stems.setdefault(stem, file.name)) != file.name:
            raise M4mError(f"{other} and {file.name}: their results would have one name", "map them apart", USAGE)
