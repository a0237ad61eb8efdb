"""`m4m render`: a piece as a WAV file."""

import sys
from typing import Annotated

import typer

from m4mcli.errors import USAGE, M4mError
from m4mcli.options import Bars, File, Force, Invocation, Output, Quiet, Soundfont, Verbose

EXAMPLES = (
    "m4m render song.mid -o song.wav",
    "m4m harmonize melody.mid | m4m render --soundfont FluidR3_GM.sf2 > song.wav",
)
SHOWS_PROGRESS = True

Rate = Annotated[int, typer.Option("--rate", min=8000, max=96000, metavar="HZ", help="Samples a second.")]


def render(
    file: File = None,
    soundfont: Soundfont = None,
    bars: Bars = None,
    rate: Rate = 44100,
    output: Output = "-",
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Turn a piece into sound: a stereo WAV file of 16 bits.

    With a soundfont that is given or found, else with a plain tone that needs none. Nothing is ever downloaded.
    """
    run = Invocation("render", file, output, force=force, quiet=quiet, verbose=verbose)
    if output == "-" and not force and sys.stdout is not None and sys.stdout.isatty():
        raise M4mError("sound is not written to a terminal", "use -o song.wav, or m4m play", USAGE)

    from m4mcli.progress import shown
    from m4mcli.sound.part import bars_of
    from m4mcli.sound.render import chosen_soundfont, rendered

    score = bars_of(run.read(music_out=False).score, bars)
    font = chosen_soundfont(soundfont)
    run.say(f"soundfont {font}" if font else "no soundfont: the plain tone")
    with shown("sound", quiet) as progress:
        sound = rendered(score, font, rate, progress)
    run.write(sound)
