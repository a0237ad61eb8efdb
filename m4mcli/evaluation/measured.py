"""How each task is measured: which tables, with which figures, of which answers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from m4mcli.dataset.pack import Pack
from m4mcli.evaluation.table import Table
from m4mcli.progress import wanted

Asked = tuple[str | None, dict[str, Any]] | None
"""The model's name and how it samples; None for the baselines alone."""


@dataclass(frozen=True)
class Measured:
    """How a task is measured: `figures` names its columns and `answers` what writes, both as `module:name`.

    `tables` makes its tables of the pieces in a folder; `prompted`, `strict` and `adapted` say whether it has the
    options for prompts, strictness and adapters, `drawn` whether it is sampled from a model, on a pack, `placed`
    whether it needs one; `tuned`, whether baselines and how boldly it is sampled can be chosen.
    """

    figures: str
    answers: str
    tables: "Callable[[Measured, str, Asked, dict[str, Any]], Iterator[Table]]"
    prompted: bool = True
    strict: bool = True
    drawn: bool = True
    adapted: bool = True
    placed: bool = True
    tuned: bool = True


def named(path: str) -> Any:
    """What `module:name` names."""
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


def _study(measured: Measured, folder: str, model: Asked, what: dict[str, Any]) -> Iterator[Table]:
    from m4mcli.evaluation.trials import study_tables

    study = named(f"{measured.figures.partition(':')[0]}:study")
    about = {name: what[name] for name in ("samples", "name", "prompt_frames") if name in what}
    which = {name: what[name] for name in ("sources", "split", "songs", "seed")}
    answer = None if model is None else named(measured.answers)(model[0], **model[1])
    with _shown(answer) as shown:
        yield from study_tables(Pack(Path(folder)), study(shown, **about), **which)


def _harmonize(measured: Measured, folder: str, model: Asked, what: dict[str, Any]) -> Iterator[Table]:
    from m4mcli.evaluation.harmonize import harmonize_tables

    answer = None if model is None else named(measured.answers)(model[0], **model[1])
    with _shown(answer) as shown:
        yield from harmonize_tables(Pack(Path(folder)), shown, **what)


def _foundation(measured: Measured, folder: str, model: Asked, what: dict[str, Any]) -> Iterator[Table]:
    from m4mcli.evaluation.foundation import foundation_tables

    networks = {}
    if model is not None:
        name, how = model
        adapter = how.get("adapter")
        for style in (None, *([] if adapter is None else [adapter])):
            title = what["name"] if style is None else f"{what['name']} with {Path(style).name}"
            networks[title] = named(measured.answers)(name, how["device"], how["threads"], style)
    about = {name: what[name] for name in ("sources", "split", "songs")}
    yield from foundation_tables(Pack(Path(folder)), networks, **about)


def _sample(measured: Measured, folder: str, model: Asked, what: dict[str, Any]) -> Iterator[Table]:
    from m4mcli.evaluation.sample import sample_tables

    writer = None if model is None else named(measured.answers)(model[0], **model[1])
    about = {name: what[name] for name in ("sources", "split", "songs", "samples", "seed", "name")}
    yield from sample_tables(Path(folder), writer, **about)


def _interpolate(measured: Measured, folder: str, model: Asked, what: dict[str, Any]) -> Iterator[Table]:
    from m4mcli.evaluation.interpolate import interpolate_tables

    assert model is not None
    space = named(measured.answers)(model[0], **model[1])
    about = {name: what[name] for name in ("sources", "split", "songs", "seed", "name")}
    yield from interpolate_tables(Path(folder), space, **about)


def _hub(measured: Measured, folder: str, model: Asked, what: dict[str, Any]) -> Iterator[Table]:
    from m4mcli.evaluation.hub import Asked, hub_tables

    assert model is not None
    asked = Asked(**{name: what[name] for name in ("split", "songs", "samples", "seed")}, **model[1])
    yield from hub_tables(Path(folder) if folder else None, model[0], sources=what["sources"], asked=asked)


def _analyze(measured: Measured, folder: str, model: Asked, what: dict[str, Any]) -> Iterator[Table]:
    from m4mcli.evaluation.aligned_chords import chart_writer
    from m4mcli.evaluation.analyze import all_tables

    name, how = model or (None, {})
    beside = {} if name is None else {f"written by {name}": chart_writer(name, seed=what["seed"], **how)}
    which = {name: what[name] for name in ("sources", "split", "songs")}
    yield from all_tables(Path(folder), **which, beside=beside)


def _task(module: str, answers: str, *, prompted: bool = True, strict: bool = True) -> Measured:
    return Measured(f"m4mcli.evaluation.{module}:FIGURES", f"m4mcli.tasks.{answers}", _study, prompted, strict)


TASKS = {
    "harmonize": Measured("m4mcli.evaluation.harmonize:FIGURES", "m4mcli.tasks.harmonize:harmonizer", _harmonize),
    "melodize": _task("melodize", "melodize:melodizer"),
    "drumify": _task("drumify", "drums:drummer"),
    "accompany": _task("accompany", "accompaniment:accompanist"),
    "continue": _task("continuation", "continuation:continuer", prompted=False, strict=False),
    "infill": _task("infill", "infill:infiller", prompted=False),
    "foundation": Measured(
        "m4mcli.evaluation.foundation:FIGURES",
        "m4mcli.tasks.continuation:open_network",
        _foundation,
        prompted=False,
        strict=False,
    ),
    "sample": Measured(
        "m4mcli.evaluation.sample:FIGURES",
        "m4mcli.evaluation.sample:open_writer",
        _sample,
        prompted=False,
        strict=False,
        adapted=False,
    ),
    "hub": Measured(
        "m4mcli.evaluation.hub:FIGURES",
        "m4mcli.evaluation.hub:hub_tables",
        _hub,
        prompted=False,
        strict=False,
        placed=False,
        tuned=False,
    ),
    "interpolate": Measured(
        "m4mcli.evaluation.interpolate:FIGURES",
        "m4mcli.evaluation.interpolate:open_space",
        _interpolate,
        prompted=False,
        strict=False,
        adapted=False,
        tuned=False,
    ),
    "analyze": Measured(
        "m4mcli.evaluation.analyze:FIGURES",
        "m4mcli.tasks.analyze:analyze",
        _analyze,
        prompted=False,
        strict=False,
        drawn=False,
        adapted=False,
    ),
}
"""How each task is measured, by the name that the command line knows it by."""


@contextmanager
def _shown(answer: Callable[..., Any] | None) -> Iterator[Any]:
    """The same, with the songs that it has answered counted on a terminal's standard error."""
    if answer is None or not wanted():
        yield answer
        return
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.completed:.0f} songs"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("songs", total=None)

        def counted(*arguments: Any) -> Any:
            answers = answer(*arguments)
            progress.advance(bar)
            return answers

        yield counted
