"""`m4m render` and `m4m play`: what is heard, when, how high, how loud; players, ports, soundfonts, damaged ones."""

import os
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Run, environment
from numpy.typing import NDArray

from m4mcli.errors import M4mError
from m4mcli.score.excerpt import excerpt
from m4mcli.score.score import BEND, CONTROL, Score, Tempo, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.sound.font import font_instruments
from m4mcli.sound.font_file import read_font
from m4mcli.sound.mixing import PAN, PEDAL, VOLUME, sound_blocks
from m4mcli.sound.tone import FAMILIES, plain_instrument

RATE = 22050
posix = pytest.mark.skipif(os.name != "posix", reason="programs and places of Unix")


def piece(*tracks: Track, tempo: int = 500_000) -> Score:
    return Score(480, tracks, (Tempo(0, tempo),), (TimeSignature(0, 4, 4),))


def track(
    *rows: tuple[int, int, int, int], program: int = 73, controls: list[tuple[int, int, int]] | None = None
) -> Track:
    return Track("x", program, False, notes_array(list(rows)), np.array(controls or [], CONTROL))


def heard(score: Score, instrument: object = plain_instrument) -> NDArray[np.float32]:
    return np.concatenate(list(sound_blocks(score, instrument, RATE)))  # type: ignore[arg-type]


def pitch_of(sound: NDArray[np.float32]) -> float:
    """The strongest frequency of a mono sound."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 8 * len(sound)))
    return float(spectrum.argmax()) * RATE / (8 * len(sound))


def loudness(sound: NDArray[np.float32]) -> float:
    return float(np.sqrt((sound**2).mean()))


def wav(data: bytes) -> tuple[int, NDArray[np.float32]]:
    """Rate and samples (n, 2) of a 16-bit stereo WAV file."""
    assert data[:4] == b"RIFF"
    assert data[8:16] == b"WAVEfmt "
    size, kind, channels, rate, _, _, bits = struct.unpack_from("<IHHIIHH", data, 16)
    assert (size, kind, channels, bits, data[36:40]) == (16, 1, 2, 16, b"data")
    assert struct.unpack_from("<I", data, 40)[0] == len(data) - 44 == struct.unpack_from("<I", data, 4)[0] - 36
    return rate, np.asarray(np.frombuffer(data[44:], "<i2").reshape(-1, 2) / 32768, np.float32)


def font(
    sample: NDArray[np.int16], loop: tuple[int, int], root: int, generators: list[tuple[int, int]] | None = None
) -> bytes:
    """A soundfont with one preset, one instrument, one sample recorded at RATE."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    def listed(name: bytes, *chunks: bytes) -> bytes:
        return chunk(b"LIST", name + b"".join(chunks))

    inner = [*(generators or []), (54, 1), (53, 0)]
    samples = sample.astype("<i2").tobytes() + bytes(92)
    zone = struct.pack("<HHHH", 0, 0, 1, 0)
    header = struct.pack("<20s5IBbHH", b"s", 0, len(sample), *loop, RATE, root, 0, 0, 1)
    pdta = listed(
        b"pdta",
        chunk(
            b"phdr",
            struct.pack("<20sHHHIII", b"p", 0, 0, 0, 0, 0, 0) + struct.pack("<20sHHHIII", b"EOP", 0, 0, 1, 0, 0, 0),
        ),
        chunk(b"pbag", zone),
        chunk(b"pmod", bytes(10)),
        chunk(b"pgen", struct.pack("<HhHh", 41, 0, 0, 0)),
        chunk(b"inst", struct.pack("<20sH", b"i", 0) + struct.pack("<20sH", b"EOI", 1)),
        chunk(b"ibag", struct.pack("<HHHH", 0, 0, len(inner), 0)),
        chunk(b"imod", bytes(10)),
        chunk(b"igen", b"".join(struct.pack("<Hh", *g) for g in inner) + bytes(4)),
        chunk(b"shdr", header + struct.pack("<20s5IBbHH", b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    )
    body = (
        b"sfbk"
        + listed(b"INFO", chunk(b"ifil", struct.pack("<HH", 2, 4)))
        + listed(b"sdta", chunk(b"smpl", samples))
        + pdta
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


PERIOD = 50
SINE = (20000 * np.sin(2 * np.pi * np.arange(PERIOD * 20) / PERIOD)).astype(np.int16)
"""A sine of RATE / PERIOD = 441 Hz: key 69 but for 4 cents."""


@pytest.fixture
def sine_font(tmp_path: Path) -> Path:
    path = tmp_path / "sine.sf2"
    path.write_bytes(font(SINE, (PERIOD, 11 * PERIOD), 69))
    return path


@pytest.mark.parametrize("key", [45, 69, 81])
@pytest.mark.parametrize("voice", ["plain", "font"])
def test_notes_have_their_pitch(sine_font: Path, key: int, voice: str) -> None:
    instrument = plain_instrument if voice == "plain" else font_instruments(sine_font)
    sound = heard(piece(track((0, 960, key, 100))), instrument)
    wanted = 440 * 2 ** ((key - 69) / 12)
    assert pitch_of(sound[RATE // 10 : RATE * 9 // 10, 0]) == pytest.approx(wanted, rel=0.004)


def test_notes_sound_when_they_are_written() -> None:
    score = piece(track((480, 480, 69, 100), (1920, 480, 69, 100)), tempo=250_000)
    sound = heard(score)
    parts = [
        loudness(sound[round(a * RATE) : round(b * RATE)])
        for a, b in ((0, 0.24), (0.3, 0.49), (0.7, 0.99), (1.05, 1.2))
    ]
    assert parts[0] == 0
    assert parts[2] < 0.01 < parts[1]
    assert parts[3] == pytest.approx(parts[1], rel=0.1)
    assert len(sound) > (1.25 + 0.5) * RATE


def test_velocity_volume_and_place_are_heard() -> None:
    loud, soft = (heard(piece(track((0, 960, 69, 127), (0, 960, 69, v)))) for v in (127, 1))
    assert loudness(loud) > loudness(soft)
    quiet = heard(piece(track((0, 960, 69, 100), controls=[(0, VOLUME, 50), (0, PAN, 64)]), track((0, 960, 45, 100))))
    usual = heard(piece(track((0, 960, 69, 100), controls=[(0, PAN, 64)]), track((0, 960, 45, 100))))
    assert _share(quiet) < 0.5 * _share(usual)
    left = heard(piece(track((0, 960, 69, 100), controls=[(0, PAN, 0)])))
    assert loudness(left[:, 1]) == 0
    assert loudness(left[:, 0]) > 0


def _share(sound: NDArray[np.float32]) -> float:
    """How loud 440 Hz is beside 110 Hz."""
    spectrum = np.abs(np.fft.rfft(sound[:RATE, 0]))
    return float(spectrum[440] / spectrum[110])


def test_the_pedal_holds_notes() -> None:
    rows = ((0, 240, 69, 100),)
    short, held = (heard(piece(track(*rows, controls=c))) for c in (None, [(0, PEDAL, 127), (1920, PEDAL, 0)]))
    late = slice(round(1.0 * RATE), round(1.4 * RATE))
    assert loudness(short[late]) < 0.001 < loudness(held[late])


def test_blocks_join_without_a_seam(monkeypatch: pytest.MonkeyPatch, sine_font: Path) -> None:
    score = piece(
        track((0, 1920, 69, 100)), Track("d", 0, True, notes_array([(i * 100, 50, 36 + i, 90) for i in range(20)]))
    )
    for instrument in (plain_instrument, font_instruments(sine_font)):
        whole = heard(score, instrument)
        monkeypatch.setattr("m4mcli.sound.mixing.BLOCK_SECONDS", 0.123)
        assert np.array_equal(heard(score, instrument), whole)
        monkeypatch.undo()


def test_every_program_and_drum_is_heard() -> None:
    for voice in range(len(FAMILIES)):
        sound = heard(piece(track((0, 480, 60, 100), program=voice * 8)))
        assert loudness(sound) > 0.01
        assert np.abs(sound).max() < 1
    for key in range(128):
        drums = piece(Track("d", 0, True, notes_array([(0, 60, key, 100)])))
        assert loudness(heard(drums)[: RATE // 5]) > 0.002, key


def test_many_notes_do_not_overload() -> None:
    sound = heard(piece(*(track(*((0, 960, p, 127) for p in range(20, 110))) for _ in range(4))))
    assert np.abs(sound).max() <= 0.86
    assert (np.abs(sound) > 0.84).mean() < 0.05


def test_the_envelope_and_filter_of_a_font(tmp_path: Path) -> None:
    loudnesses = {}
    for name, generators in {
        "plain": [],
        "softer": [(48, 300)],
        "slow": [(34, 0)],
        "filtered": [(8, 4500)],
        "left": [(17, -500)],
        "other keys": [(43, 0x2000)],
        "octave": [(51, 12)],
        "root": [(58, 57)],
    }.items():
        (tmp_path / "x.sf2").write_bytes(font(SINE, (PERIOD, 11 * PERIOD), 69, sorted(generators)))
        sound = heard(piece(track((0, 960, 69, 100))), font_instruments(tmp_path / "x.sf2"))
        loudnesses[name] = [loudness(sound[: RATE // 4, side]) for side in (0, 1)]
        if name in ("octave", "root"):
            assert pitch_of(sound[RATE // 10 : RATE // 2, 0]) == pytest.approx(882, rel=0.01)
    plain = loudnesses["plain"][0]
    assert loudnesses["softer"][0] < 0.5 * plain
    assert loudnesses["slow"][0] < 0.5 * plain
    assert loudnesses["filtered"][0] < 0.3 * plain
    assert loudnesses["left"][1] == 0
    assert loudnesses["left"][0] > 0
    assert loudnesses["other keys"] == [0, 0]


@pytest.mark.parametrize("plays", ["tone", "font"])
def test_pitch_bends_are_heard(sine_font: Path, plays: str) -> None:
    instrument = plain_instrument if plays == "tone" else font_instruments(sine_font)
    low, up = (0, 480, 69, 100), (2880, 480, 69, 100)
    bends = np.array([(960, 8191), (1440, 0), (2880, -8192)], BEND)
    long = replace(track((0, 2880, 69, 100), up, program=73), bends=bends)
    sound = heard(piece(long), instrument).mean(axis=1)
    second = RATE
    hears = [pitch_of(sound[int(at * second) : int((at + 0.4) * second)]) for at in (0.3, 1.05, 2.0, 3.05)]
    assert hears == pytest.approx([440, 440 * 2 ** (2 / 12), 440, 440 * 2 ** (-2 / 12)], rel=0.01)
    octave = np.array([(0, 101, 0), (0, 100, 0), (0, 6, 12)], CONTROL)
    wide = heard(piece(replace(long, controls=octave)), instrument).mean(axis=1)
    assert pitch_of(wide[int(1.05 * second) : int(1.45 * second)]) == pytest.approx(880, rel=0.01)
    unbent = heard(piece(track(low)), instrument)
    still = replace(track(low), bends=np.array([(5000, 8191)], BEND))
    assert (heard(piece(still), instrument)[: len(unbent) // 2] == unbent[: len(unbent) // 2]).all()


def test_a_compressed_font_is_named(m4m: Run, tmp_path: Path) -> None:
    good = bytearray(font(SINE, (PERIOD, 11 * PERIOD), 69))
    kind = good.index(b"shdr") + 8 + 44
    assert good[kind] == 1
    good[kind] = 0x11
    (tmp_path / "small.sf3").write_bytes(good)
    done = m4m("render", "--soundfont", "small.sf3", stdin=score_to_midi(piece(track((0, 480, 69, 100)))))
    assert (done.returncode, done.stdout) == (1, b"")
    told = b"m4m render: small.sf3: an .sf3 soundfont, whose samples are compressed; name an .sf2 file\n"
    assert done.stderr == told


def test_damaged_fonts_are_refused(tmp_path: Path) -> None:
    good = font(SINE, (PERIOD, 11 * PERIOD), 69)
    rng = np.random.default_rng(5)
    path = tmp_path / "bad.sf2"
    refused = 0
    for i in range(300):
        data = bytearray(good[: int(rng.integers(0, len(good)))] if i % 3 == 0 else good)
        for _ in range(int(rng.integers(1, 6))):
            if data:
                place = (
                    int(rng.integers(0, len(data))) if i % 2 else int(rng.integers(max(0, len(data) - 420), len(data)))
                )
                data[place] = int(rng.integers(0, 256))
        path.write_bytes(data)
        try:
            instrument = font_instruments(path)
        except M4mError:
            refused += 1
            continue
        assert np.isfinite(heard(piece(track((0, 96, 69, 100))), instrument)).all()
    assert 60 < refused < 300
    path.write_bytes(good)
    assert read_font(path).headers[0].key == 69


def test_an_excerpt_starts_where_the_bars_do() -> None:
    controls = [(0, 7, 90), (100, 7, 80), (3000, 7, 70), (5000, 10, 3)]
    score = replace(
        piece(track((0, 480, 60, 80), (1920, 960, 62, 80), (3800, 960, 64, 80), controls=controls)),
        tempos=(Tempo(0, 500_000), Tempo(960, 400_000), Tempo(2000, 300_000)),
    )
    cut = excerpt(score, 1920, 3840)
    assert cut.tracks[0].notes.tolist() == [(0, 960, 62, 80), (1880, 40, 64, 80)]
    assert cut.tempos == (Tempo(0, 400_000), Tempo(80, 300_000))
    assert cut.tracks[0].controls.tolist() == [(0, 7, 80), (1080, 7, 70)]
    assert cut.time_signatures == (TimeSignature(0, 4, 4),)


SCORE = piece(track((0, 480, 69, 100), (1920, 480, 81, 100)))
MIDI = score_to_midi(SCORE)


def test_render_writes_a_wav_file(m4m: Run, tmp_path: Path) -> None:
    done = m4m("render", "-v", "--soundfont", "none", "-o", "x.wav", stdin=MIDI)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"no soundfont: the plain tone" in done.stderr
    data = (tmp_path / "x.wav").read_bytes()
    assert m4m("render", "--soundfont", "none", stdin=MIDI).stdout == data
    rate, sound = wav(data)
    assert rate == 44100
    assert len(sound) / rate == pytest.approx(2.5 + 1.08, abs=0.1)
    rate, sound = wav(m4m("render", "--soundfont", "none", "--rate", str(RATE), "--bars", "2", stdin=MIDI).stdout)
    assert rate == RATE
    assert pitch_of(sound[RATE // 20 : RATE // 2, 0]) == pytest.approx(880, rel=0.01)


def test_render_with_a_font(m4m: Run, sine_font: Path) -> None:
    by_option = m4m("render", "-v", "--soundfont", sine_font, stdin=MIDI)
    assert f"soundfont {sine_font}".encode() in by_option.stderr
    by_variable = m4m("render", stdin=MIDI, M4M_SOUNDFONT=str(sine_font))
    assert by_option.stdout == by_variable.stdout != m4m("render", "--soundfont", "none", stdin=MIDI).stdout


def test_what_render_refuses(m4m: Run, tmp_path: Path) -> None:
    (tmp_path / "no.sf2").write_bytes(b"RIFF1234WAVE")
    long = score_to_midi(piece(track((0, 480 * 30_000, 60, 80))))
    for arguments, stdin, told in (
        (("--soundfont", "no.sf2"), MIDI, "no.sf2: not a soundfont"),
        (("--soundfont", "missing.sf2"), MIDI, "missing.sf2: no such file"),
        (("--soundfont", "none"), score_to_midi(Score(480)), "no notes to be heard"),
        (("--soundfont", "none"), long, "250 minutes, longer than the 30"),
        (("--bars", "9"), MIDI, "there is no bar 9"),
    ):
        done = m4m("render", *arguments, "-o", "x.wav", stdin=stdin)
        assert done.returncode in (1, 2)
        assert told in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1
    assert not (tmp_path / "x.wav").exists()


@posix
def test_play_hands_sound_to_a_program_and_leaves_nothing(m4m: Run, tmp_path: Path) -> None:
    programs, scratch = tmp_path / "bin", tmp_path / "scratch"
    programs.mkdir()
    scratch.mkdir()
    (programs / "aplay").write_text(f'#!/bin/sh\n/bin/cp "$2" {tmp_path}/heard.wav\n')
    (programs / "aplay").chmod(0o755)
    env = {"PATH": str(programs), "TMPDIR": str(scratch), "M4M_SOUNDFONT": "none"}
    assert m4m("play", stdin=MIDI, **env).returncode == 0
    assert (tmp_path / "heard.wav").read_bytes() == m4m("render", "--soundfont", "none", stdin=MIDI).stdout
    assert list(scratch.iterdir()) == []
    (programs / "aplay").write_text("#!/bin/sh\necho no sound card >&2; exit 1\n")
    failed = m4m("play", stdin=MIDI, **env)
    assert failed.returncode == 1
    assert b"no sound card; use m4m render" in failed.stderr


PORTS = """
class Output:
    def __init__(self, name, **_): self.log = open("log", "a")
    def send(self, message): print(message, file=self.log)
    def reset(self): print("reset", file=self.log)
    def __enter__(self): return self
    def __exit__(self, *_): self.log.close()
def get_devices(**_): return [{"name": n, "is_input": False, "is_output": True} for n in ("Through", "FLUID Synth")]
"""


@posix
def test_play_to_a_port(tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path), "MIDO_BACKEND": "fakeports"}

    def m4m(env: dict[str, str], *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        # In an interpreter of its own: mido chooses its backend when it is imported.
        command = [sys.executable, "-m", "m4mcli", *arguments]
        return subprocess.run(
            command, input=stdin, capture_output=True, cwd=tmp_path, env=environment(**env), check=False
        )

    (tmp_path / "fakeports.py").write_text(PORTS)
    assert m4m(env, "play", "--ports").stdout == b"Through\nFLUID Synth\n"
    quick = score_to_midi(piece(track((0, 48, 69, 100), (96, 48, 70, 90)), tempo=100_000))
    assert m4m(env, "play", "--port", "fluid", stdin=quick).returncode == 0
    log = (tmp_path / "log").read_text().splitlines()
    assert [line.split()[2] for line in log if line.startswith("note_on")] == ["note=69", "note=70"]
    assert log[-1] == "reset"
    assert m4m(env, "play", "--port", "oboe", stdin=quick).returncode == 1
    nothing = m4m(env | {"MIDO_BACKEND": "nosuchbackend"}, "play", stdin=quick)
    assert nothing.returncode == 1
    assert b"nothing here plays sound, and there is no MIDI port" in nothing.stderr
