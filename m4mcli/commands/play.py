"""`m4m play`: hear a piece."""

from typing import Annotated

import typer

from m4mcli.errors import M4mError
from m4mcli.options import Bars, File, Invocation, Quiet, Soundfont, Verbose

EXAMPLES = ("m4m play song.mid", "m4m harmonize melody.mid | m4m play --bars 1-8")
SHOWS_PROGRESS = True

Port = Annotated[
    str | None,
    typer.Option(
        "--port", metavar="NAME", show_default=False, help="Play to this MIDI port, or one called so in part."
    ),
]
Ports = Annotated[bool, typer.Option("--ports", help="List the MIDI ports, and play nothing.")]


def play(
    file: File = None,
    port: Port = None,
    ports: Ports = False,
    soundfont: Soundfont = None,
    bars: Bars = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Play a piece: as sound through a program that is there, or to a MIDI port.

    The sound is that of m4m render. Without a program that plays sound, the first MIDI port is taken. Ctrl-C ends it.
    """
    run = Invocation("play", file, quiet=quiet, verbose=verbose)

    from m4mcli.sound.players import output_ports, players

    if ports:
        run.write("".join(f"{name}\n" for name in output_ports()))
        return

    from m4mcli.progress import shown
    from m4mcli.sound.part import bars_of
    from m4mcli.sound.play import play_sound, play_to_port
    from m4mcli.sound.render import chosen_soundfont, rendered

    reading = run.read(music_out=False)
    score = bars_of(reading.score, bars)
    there = players()
    if port is not None or not there:
        chosen = _port(port, output_ports())
        run.say(f"MIDI port {chosen}")
        play_to_port(score, chosen)
        return
    name, player = next(iter(there.items()))
    font = chosen_soundfont(soundfont)
    run.say(f"{name}, {f'soundfont {font}' if font else 'no soundfont: the plain tone'}")
    with shown("sound", quiet) as progress:
        sound = rendered(score, font, progress=progress)
    play_sound(sound, player)


def _port(wanted: str | None, there: list[str]) -> str:
    """The port of that name, or one whose name holds it; without a name the first. Raises M4mError for none."""
    from m4mcli.sound.players import PROGRAMS

    if not there:
        if wanted is None:
            hint = f"install one of {', '.join(PROGRAMS)}, or use m4m render"
            raise M4mError("nothing here plays sound, and there is no MIDI port", hint)
        raise M4mError(f"no MIDI port {wanted!r}", "there are none; try: pip install 'm4m[play]'")
    if wanted is None:
        return there[0]
    near = [name for name in there if wanted.casefold() in name.casefold()]
    if not near:
        raise M4mError(f"no MIDI port {wanted!r}", f"ports: {', '.join(there)}")
    return wanted if wanted in there else near[0]
