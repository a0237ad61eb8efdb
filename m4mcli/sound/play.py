"""Sound through a player, or MIDI messages to a port, at the time at which they are due."""

import subprocess
import tempfile
from io import BytesIO
from pathlib import Path

from m4mcli.errors import M4mError
from m4mcli.score.score import Score
from m4mcli.score.write import score_to_midi
from m4mcli.sound.players import Player


def play_sound(wave: bytes, player: Player) -> None:
    """Play a WAV file through a program, from a private file that is removed. Raises M4mError where it fails."""
    with tempfile.TemporaryDirectory(prefix="m4m-") as folder:
        path = Path(folder) / "sound.wav"
        path.write_bytes(wave)
        # The program is the one found on PATH and its arguments are fixed.
        done = subprocess.run([player.path, *player.arguments, str(path)], capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise M4mError(
            f"{player.path}: {said[-1] if said else f'failed with status {done.returncode}'}", "use m4m render"
        )


def play_to_port(score: Score, name: str) -> None:
    """Send the piece to a MIDI port as time goes by; whatever happens, no note goes on afterwards."""
    import mido

    try:
        port = mido.open_output(name)
    except Exception as error:
        raise M4mError(f"MIDI port {name}: {error}", "m4m play --ports lists them") from error
    with port:
        try:
            for message in mido.MidiFile(file=BytesIO(score_to_midi(score))).play():
                port.send(message)
        finally:
            port.reset()
