"""`m4m doctor`: what this installation has, and what it lacks."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from m4mcli.errors import CHECK_SAID_NO, M4mError
from m4mcli.options import Invocation, Output, printable

EXAMPLES = ("m4m doctor", "m4m doctor --json | jq .models")

NEEDED = ("typer", "rich", "numpy", "mido", "symusic")
RUNTIMES = ("onnxruntime-gpu", "onnxruntime")
OPTIONAL = {"pillow": "picture", "python-rtmidi": "play", "torch": "train", "onnx": "train", "safetensors": "train"}
"""Packages that some commands need, and the extra of `m4m[...]` that brings them."""

SHELLS = ("bash", "zsh", "fish")
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


def doctor(as_json: AsJson = False, output: Output = "-") -> None:
    """Say what this installation has: versions, models, what they run on, soundfonts, players, completions.

    Models are checked against their hashes, and one is opened on each device. The exit status is 3 where something that
    m4m needs is missing or damaged.
    """
    found = examined()
    run = Invocation("doctor", output=output)
    run.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n" if as_json else "\n".join(_lines(found)) + "\n")
    if found["problems"]:
        raise typer.Exit(CHECK_SAID_NO)


def examined() -> dict[str, Any]:
    """What `m4m doctor --json` says. `problems` lists what keeps commands from working."""
    import platform

    from m4mcli import __version__
    from m4mcli.sound.players import output_ports, players

    problems: list[str] = []
    packages = {name: _version(name) for name in (*NEEDED, *RUNTIMES, *OPTIONAL)}
    problems += [f"{name} is not installed; install m4m again" for name in NEEDED if packages[name] is None]
    runtimes = [name for name in RUNTIMES if packages[name]]
    if len(runtimes) != len(RUNTIMES) - 1:
        what = " and ".join(runtimes) + " are both installed" if runtimes else "no onnxruntime is installed"
        problems.append(f"{what}; install one of {' and '.join(RUNTIMES)}")
    models = _models(problems)
    return {
        "m4m": 1,
        "kind": "doctor",
        "version": __version__,
        "package": str(Path(__file__).resolve().parent.parent),
        "python": platform.python_version(),
        "interpreter": sys.executable,
        "platform": platform.platform(),
        "packages": packages,
        "models": models,
        "runtime": _runtime(models, problems) if runtimes else {},
        "soundfonts": _soundfonts(problems),
        "players": sorted(players()),
        "midi_ports": output_ports() if packages["mido"] else [],
        "completions": {shell: _completion_state(shell) for shell in SHELLS},
        "problems": problems,
    }


def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _models(problems: list[str]) -> list[dict[str, Any]]:
    """Every model that is found, and whether its files are those that it came with."""
    from m4mcli.models.registry import available, read_model, verify

    found = []
    for name, path in available().items():
        one: dict[str, Any] = {"name": name, "path": str(path), "tasks": [], "whole": True}
        try:
            one["tasks"] = list(read_model(path).tasks)
            verify(path)
        except M4mError as error:
            one["whole"] = False
            problems.append(f"model {name}: {error}")
        found.append(one)
    if not found:
        problems.append("no models found; install m4m with its models, or set M4M_MODELS")
    return found


def _runtime(models: list[dict[str, Any]], problems: list[str]) -> dict[str, Any]:
    """The execution providers that ONNX Runtime offers, and those that sessions on each device really got."""
    from m4mcli.models.session import import_runtime, open_session

    try:
        offered = list(import_runtime().get_available_providers())
    except ImportError as error:
        problems.append(f"onnxruntime cannot be loaded: {error}")
        return {}
    graph = next((path for m in models if m["whole"] for path in sorted(Path(m["path"]).glob("*_step.onnx"))), None)
    got: dict[str, str | None] = {"cpu": None, "auto": None}
    if graph is not None:
        for device in ("cpu", "auto"):
            try:
                got[device] = str(open_session(graph, device, 1).get_providers()[0])
            except M4mError as error:
                problems.append(f"--device {device}: {error}")
    return {"offered": offered, "sessions": got}


def _soundfonts(problems: list[str]) -> list[str]:
    from m4mcli.sound.soundfonts import found

    try:
        return [str(path) for path in found()]
    except M4mError as error:
        problems.append(str(error))
        return []


def _completion_state(shell: str) -> str:
    """`current` or `old` with its place, `loaded by` the shell's start file, or `none`."""
    from m4mcli.manual.completions import completion

    home = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    shares = (data, Path("/usr/local/share"), Path("/usr/share"))
    places = {
        "bash": [share / "bash-completion/completions/m4m" for share in shares],
        "zsh": [home / ".zfunc/_m4m", *(share / "zsh/site-functions/_m4m" for share in shares)],
        "fish": [
            config / "fish/completions/m4m.fish",
            *(share / "fish/vendor_completions.d/m4m.fish" for share in shares),
        ],
    }[shell]
    for place in places:
        try:
            return f"{'current' if place.read_text('utf-8') == completion(shell) else 'old'}: {place}"
        except (OSError, UnicodeDecodeError):
            continue
    for start in {"bash": (home / ".bashrc", home / ".bash_profile"), "zsh": (home / ".zshrc",)}.get(shell, ()):
        try:
            if f"m4m completions {shell}" in start.read_text("utf-8", errors="replace"):
                return f"loaded by {start}"
        except OSError:
            continue
    return "none"


def _lines(found: dict[str, Any]) -> list[str]:
    packages = found["packages"]
    here = [f"{name} {version}" for name, version in packages.items() if version]
    lacking = [f"{name} (m4m[{OPTIONAL[name]}])" for name in OPTIONAL if packages[name] is None]
    runtime = found["runtime"]
    sessions = ", ".join(f"{device}: {got or 'none'}" for device, got in runtime.get("sessions", {}).items())
    rows = [
        ("m4m", f"{found['version']} in {found['package']}"),
        ("python", f"{found['python']}, {found['interpreter']}, {found['platform']}"),
        ("packages", ", ".join(here)),
        ("optional", f"not installed: {', '.join(lacking)}" if lacking else "all installed"),
        ("onnxruntime", f"offers {', '.join(runtime.get('offered', ())) or 'nothing'}"),
        ("sessions", sessions or "none"),
        *(
            (f"model {m['name']}", f"{'whole' if m['whole'] else 'DAMAGED'}, for {', '.join(m['tasks'])}, {m['path']}")
            for m in found["models"]
        ),
        ("soundfonts", ", ".join(found["soundfonts"]) or "none: m4m render uses its own plain tone"),
        ("players", ", ".join(found["players"]) or "none on PATH"),
        ("MIDI ports", ", ".join(found["midi_ports"]) or "none"),
        *((f"completion, {shell}", state) for shell, state in found["completions"].items()),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name.ljust(width)}  {printable(text)}" for name, text in rows]
    return [*lines, "", *(f"problem: {printable(p)}" for p in found["problems"])] if found["problems"] else lines
