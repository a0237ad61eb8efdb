"""The tree of commands: each is loaded when it is called, and can be walked for the manual and the completions.

The only module that leans on undocumented parts of Typer (`typer.core`, `typer.main.get_command`,
`typer._coercion`, the attributes of parameters); `pyproject.toml` pins the range of versions in which they were tried.
"""

import contextlib
import difflib
import functools
import importlib
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import typer
from typer._coercion import build_runtime_param
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from m4mcli.progress import hidden

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Do not show how far it is.")]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", min=1, metavar="N", show_default=False, help="Processes; one a processor unless given."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Leave out files whose results are in --out-dir as this command made them.")
]
NO_DIFFERENCE = ("--quiet", "--verbose", "--force", "--threads", "--out-dir")
"""Options that make no difference to what is written."""
Completes = Literal["music", "files", "folders", "nothing"]


@dataclass(frozen=True)
class Entry:
    """Where a command lives ("package.module:function") and the line that `m4m --help` says about it.

    One with `parts` is a group: `m4m NAME PART`. Its target is a function without parameters, whose docstring is the
    group's help.
    """

    target: str
    summary: str
    parts: Mapping[str, "Entry"] = field(default_factory=dict)


@dataclass(frozen=True)
class Parameter:
    """One option or operand of a command, as the manual and the completions need it.

    `flags` is empty for an operand; `metavar` is empty for a flag without a value; `choices` holds the only values
    that the command takes, if it names them.
    """

    name: str
    flags: tuple[str, ...]
    metavar: str
    help: str
    choices: tuple[str, ...]

    @property
    def completes(self) -> Completes:
        """Which files complete it: pieces of music if its help says MIDI, else as its metavar (FILE, DIR) says."""
        if "DIR" in self.metavar and "FILE" not in self.metavar:
            return "folders"
        if "FILE" in self.metavar or "RECIPE" in self.metavar:
            return "music" if "MIDI" in self.help and "Write" not in self.help else "files"
        return "nothing"


@dataclass(frozen=True)
class Page:
    """One command as it is documented: name, summary, usage line, help text, operands and options, a group's parts."""

    name: str
    summary: str
    usage: str
    text: str
    operands: tuple[Parameter, ...]
    options: tuple[Parameter, ...]
    parts: tuple["Page", ...] = ()


def load(name: str, entry: Entry) -> Any:
    """The command `name`, ready to run: imports its module, and no other command's.

    The function's docstring is the help; the module's `EXAMPLES`, command lines, are listed below it. Where the module
    says `SHOWS_PROGRESS`, the command takes --no-progress; where it says `SHARES_FILES`, --jobs and --resume.
    """
    module_name, _, function_name = entry.target.partition(":")
    module = importlib.import_module(module_name)
    function = getattr(module, function_name)
    lines = getattr(module, "EXAMPLES", ())
    examples = "\n".join(["\n\n\b\nExamples:", *(f"  {line}" for line in lines)]) if lines else ""
    text = (inspect.getdoc(function) or "") + examples
    if getattr(module, "SHOWS_PROGRESS", False):
        function = _with_no_progress(function)
    if getattr(module, "SHARES_FILES", False):
        function = _with_sharing(name, function)
    plain: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}
    if entry.parts:
        one = typer.Typer(cls=lazy_group(entry.parts), help=text, context_settings=SETTINGS, **plain)
        one.callback()(function)
    else:
        one = typer.Typer(**plain)
        one.command(name, cls=Command, help=text, context_settings=SETTINGS)(function)
    command = get_command(one)
    command.name = name
    for parameter in command.params:
        vars(parameter)["_runtime_param"] = Sparing()
    return command


class Sparing:
    """Typer's way from the command line's words to values, gone only for those that are not what is wanted already.

    It loads pydantic and has it build a validator for every parameter, given or not: a tenth of a second.
    """

    def coerce(self, value: Any, param: Any, ctx: typer.Context) -> Any:
        """The value as the function takes it. Raises typer.BadParameter where the words are none."""
        told = param.type_descriptor
        plain = told.parameter_info.parser is None and not told.is_path
        source = ctx.get_parameter_source(param.name)
        if value is None or (source is not None and source.name == "DEFAULT" and param.nargs == 1):
            return () if value is None and (param.multiple or param.nargs == -1) else value
        if plain and told.annotation is str:
            return value
        if plain and told.annotation == list[str] and not isinstance(value, str):
            return list(value)
        return build_runtime_param(told).coerce(value, param=param, ctx=ctx)


def _with_no_progress(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function with the option --no-progress before its -q."""

    @functools.wraps(function)
    def command(*, no_progress: bool, **given: Any) -> Any:
        with hidden() if no_progress else contextlib.nullcontext():
            return function(**given)

    return _taking(command, function, no_progress=(NoProgress, False))


def _with_sharing(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function with the options --jobs and --resume before its -q."""

    @functools.wraps(function)
    def command(*, context: typer.Context, jobs: int | None, resume: bool, **given: Any) -> Any:
        if resume or len(given.get("files") or ()) > 1:
            from m4mcli.each import Sharing, shared
            from m4mcli.manifest import command_key

            if given.get("seed") == "random":
                from m4mcli.options import Invocation

                # Drawn here, once: every process is to go by the same.
                given["seed"] = context.params["seed"] = str(Invocation(name).seed("random"))
            options = command_line(context, leave_out=("jobs", "resume", "no_progress", "files"))
            said = [word for word in options if word.partition("=")[0] not in NO_DIFFERENCE]
            if jobs is None and given.get("device", "cpu") != "cpu":
                jobs = 1
            arguments = (name, *options, "--", *given["files"])
            with shared(Sharing(jobs, resume, arguments, command_key([name, *said]))):
                return function(**given)
        return function(**given)

    added = {"context": (typer.Context, inspect.Parameter.empty), "jobs": (Jobs, None), "resume": (Resume, False)}
    return _taking(command, function, **added)


def _taking(command: Callable[..., Any], function: Callable[..., Any], **added: tuple[Any, Any]) -> Callable[..., Any]:
    """`command` with the signature of the function that it calls and these parameters (type, default) before -q."""
    whole = inspect.signature(function, eval_str=True)
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in whole.parameters.values()]
    place = next((i for i, p in enumerate(parameters) if p.name == "quiet"), len(parameters))
    parameters[place:place] = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in added.items()
    ]
    vars(command)["__signature__"] = whole.replace(parameters=parameters)
    return command


def command_line(context: typer.Context, leave_out: Collection[str] = ()) -> list[str]:
    """The options of a command line that were given, as words, each as the shortest of its spellings that is long."""
    words: list[str] = []
    for parameter in context.command.params:
        name, value = str(parameter.name), context.params.get(str(parameter.name))
        source = context.get_parameter_source(name)
        given = source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")
        if name in leave_out or parameter.param_type_name == "argument" or not given or value is None:
            continue
        if isinstance(value, bool):
            words.append((parameter.opts if value else parameter.secondary_opts)[-1])
        else:
            words.append(f"{parameter.opts[-1]}={value}")
    return words


class Helping:
    """What commands and groups have in common."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option --help, not given: False, for which Typer need not load pydantic, as it must for None."""
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.default = False
        return option


class Command(Helping, TyperCommand):
    """A single command."""


class LazyGroup(Helping, TyperGroup):
    """A group that knows its commands by name and summary, and imports one only to run it or to show its help."""

    entries: Mapping[str, Entry] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands, in the order of the table."""
        return list(self.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command `cmd_name`, imported now; None if there is none of that name."""
        entry = self.entries.get(cmd_name)
        return load(cmd_name, entry) if entry else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self.entries.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that `args` begins with; for an unknown one, a usage error that offers the nearest names."""
        if args[0] not in self.entries and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], list(self.entries))
            hint = f"did you mean {' or '.join(near)}?" if near else f"{ctx.command_path} --help lists the commands"
            ctx.fail(f"no such command: {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)


def lazy_group(entries: Mapping[str, Entry]) -> type[LazyGroup]:
    """The group class for `typer.Typer(cls=...)` that serves these entries."""
    return type("Group", (LazyGroup,), {"entries": entries})


def pages(entries: Mapping[str, Entry]) -> Iterator[Page]:
    """Every command of the table as documented. Imports each command's module."""
    for name, entry in entries.items():
        command = load(name, entry)
        context = command.make_context(f"m4m {name}", [], resilient_parsing=True)
        parameters = [_parameter(p, context) for p in command.get_params(context) if not getattr(p, "hidden", False)]
        parts = (replace(p, usage=p.usage.replace("m4m ", f"m4m {name} ", 1)) for p in pages(entry.parts))
        yield Page(
            name=name,
            summary=entry.summary,
            usage=" ".join([f"m4m {name}", *command.collect_usage_pieces(context)]),
            text=command.help or "",
            operands=tuple(p for p in parameters if not p.flags),
            options=tuple(p for p in parameters if p.flags),
            parts=tuple(parts),
        )


def _parameter(parameter: Any, context: Any) -> Parameter:
    operand = parameter.param_type_name == "argument"
    valueless = not operand and (parameter.is_flag or parameter.count)
    shown, text = parameter.get_help_record(context) or (parameter.name, "")
    choices = getattr(getattr(parameter, "type_descriptor", None), "choices", None) or ()
    return Parameter(
        name=parameter.name,
        # Typer keeps the flags of --help in a set, whose order changes from run to run.
        flags=() if operand else tuple(sorted((*parameter.opts, *parameter.secondary_opts), key=len)),
        metavar="" if valueless else (parameter.metavar or shown.split(" ")[-1]),
        help=" ".join(text.split()),
        choices=tuple(str(choice) for choice in choices),
    )


def usage_message(error: typer.BadParameter | Exception) -> str:
    """A usage error of Typer's in one line, with the nearest option's name where there is one."""
    offered = getattr(error, "possibilities", None) or ()
    # Typer compares names with their dashes, so that --help is near to many.
    named = getattr(error, "option_name", "").strip("-")
    near = [option for option in offered if difflib.get_close_matches(named, [option.strip("-")])]
    text = error.format_message() if hasattr(error, "format_message") and not offered else str(error)
    if offered:
        text = getattr(error, "message", text) + (f"; did you mean {' or '.join(sorted(near))}?" if near else "")
    text = " ".join(str(text).replace("Value error, ", "").split()).rstrip(".")
    return text[:1].lower() + text[1:]
