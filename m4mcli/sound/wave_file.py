"""Sound as a WAV file: 16-bit PCM (Microsoft and IBM, Multimedia Programming Interface, 1991)."""

from collections.abc import Iterable
from struct import pack

import numpy as np

from m4mcli.sound.mixing import Samples

CHANNELS, BYTES = 2, 2
PCM = 1


def wave_file(blocks: Iterable[Samples], rate: int) -> bytes:
    """The bytes of a stereo WAV file from blocks (samples, 2) of -1..1; what lies beyond is clipped."""
    data = bytearray(44)
    for block in blocks:
        data += (np.clip(block, -1.0, 1.0) * 32767).round().astype("<i2").tobytes()
    size = len(data) - 44
    step = CHANNELS * BYTES
    form = pack("<4sIHHIIHH", b"fmt ", 16, PCM, CHANNELS, rate, rate * step, step, 8 * BYTES)
    data[:44] = pack("<4sI4s", b"RIFF", size + 36, b"WAVE") + form + pack("<4sI", b"data", size)
    return bytes(data)
