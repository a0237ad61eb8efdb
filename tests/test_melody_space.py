"""Melodies as points of a space: events and back, the network, its export, the way between two melodies."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run

from m4mcli.dataset.melodies import melody_windows
from m4mcli.errors import M4mError
from m4mcli.frames.melody_attributes import ATTRIBUTES, directions
from m4mcli.frames.melody_events import HOLD, OFF, melody_events, melody_notes, moved, padded, told_again
from m4mcli.generation.latent_sampling import between
from m4mcli.networks.config import LatentConfig, read_config
from m4mcli.score.read import read_score
from m4mcli.score.score import Score, TimeSignature, Track, notes_array
from m4mcli.score.write import score_to_midi
from m4mcli.tasks.melody_space import score_of
from m4mcli.training.recipe import SHIPPED, find_recipe, read_recipe

TWINKLE = "0 0 7 7 9 9 7: 5 5 4 4 2 2 0: 7 7 5 5 4 4 2: 7 7 5 5 4 4 2:"
"""Ah! vous dirai-je, maman (traditional, before 1761): semitones above the tonic in quarters, a colon makes a half."""

TINY = LatentConfig(events=32, latent=6, encoder_width=8, encoder_layers=2, width=10, layers=2)
SMALL = {
    "flat": TINY,
    "conducted": LatentConfig(**{**TINY.as_dict(), "segments": 2, "conductor_width": 7, "guide": 5}),
    "begun": LatentConfig(**{**TINY.as_dict(), "segments": 2, "conductor_width": 7, "conductor_input": 3, "guide": 0}),
}


def tune(root: int = 60, quarter: int = 480, signature: tuple[int, int] = (4, 4), program: int = 0) -> Score:
    rows, tick = [], 0
    for word in TWINKLE.split():
        duration = quarter * (2 if word.endswith(":") else 1)
        rows.append((tick, duration, root + int(word.rstrip(":")), 80))
        tick += duration
    signatures = (TimeSignature(0, *signature),)
    return Score(480, (Track("Melody", program, False, notes_array(rows)),), time_signatures=signatures)


@pytest.fixture(scope="module")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tune in all keys, slow and fast, two of each for validation."""
    folder = tmp_path_factory.mktemp("music") / "tunes"
    for root in range(60, 72):
        for quarter in (240, 480):
            path = folder / ("valid" if root % 6 == 0 else "train") / f"{root}-{quarter}.mid"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(score_to_midi(tune(root, quarter)))
    return folder


# Events


def test_a_melody_comes_back_from_its_events() -> None:
    notes = notes_array([(0, 240, 60, 80), (240, 120, 62, 80), (960, 960, 64, 80), (1200, 120, 90, 80)])
    low = Track("", 0, False, notes_array([(0, 1920, 40, 80)]))
    events = melody_events(Score(480, (Track("", 0, False, notes), low)))
    assert events[:4].tolist() == [60, HOLD, 62, OFF]
    assert events[8:12].tolist() == [64, HOLD, 90, OFF]
    again = melody_notes(events, 480, 80)
    # The last note is cut where the higher one begins.
    assert again.tolist() == [(0, 240, 60, 80), (240, 120, 62, 80), (960, 240, 64, 80), (1200, 120, 90, 80)]
    assert np.array_equal(melody_events(tune()), melody_events(score_of([melody_events(tune())], [""])))
    assert melody_notes(np.array([HOLD, OFF, HOLD, 60, HOLD]), 480).tolist() == [(360, 240, 60, 80)]
    assert len(melody_notes(np.zeros(0, np.int64), 480)) == 0


def test_events_move_and_are_filled_up() -> None:
    assert moved(np.array([60, HOLD, OFF]), 5).tolist() == [65, HOLD, OFF]
    assert moved(np.array([125, HOLD]), 5).tolist() == [125, HOLD]
    assert padded(np.array([60, HOLD, OFF]), 4).tolist() == [60, HOLD, OFF, HOLD]
    assert padded(np.array([60]), 2).tolist() == [60, OFF]
    assert len(padded(np.zeros(0, np.int64), 32)) == 32


def test_windows_begin_at_bars_of_four_quarters() -> None:
    assert len(melody_windows(tune(), 32, 16)) == 7
    assert len(melody_windows(tune(), 32, 32)) == 4
    assert melody_windows(tune(), 32, 32).ravel()[:16].tolist() == melody_events(tune())[:16].tolist()
    assert len(melody_windows(tune(signature=(3, 4)), 32)) == 0
    rests = Score(480, (Track("", 0, False, notes_array([(0, 1, 60, 80), (7000, 1, 60, 80)])),))
    assert len(melody_windows(rests, 32)) == 0


def test_attributes_say_what_a_melody_is_like() -> None:
    events = melody_events(tune())[:32]
    assert [ATTRIBUTES[name](events) for name in ATTRIBUTES] == [3.5, pytest.approx(60 + 39 / 7), 9.0, 0.0]
    late = np.full(32, HOLD)
    late[[2, 6, 8]] = 60, 62, OFF
    # Both begin off the beat; the first sounds on through the next beat, the second ends with it.
    assert ATTRIBUTES["syncopation"](late) == 0.5
    assert [ATTRIBUTES[name](np.full(32, HOLD)) for name in ATTRIBUTES] == [0.0] * 4
    windows = np.stack([moved(events, s) for s in range(8)])
    points = np.arange(8)[:, None] * np.array([[1.0, 0.0]])
    assert directions(windows, points)["pitch"].tolist() == [6.0, 0.0]


def test_what_is_told_again_is_counted() -> None:
    again = told_again(np.array([60, HOLD, 62, OFF]), np.array([60, 61, 62, OFF]))
    assert again.accuracy == 0.75
    assert again.note_accuracy == pytest.approx(2 / 3)
    assert (again + again).accuracy == 0.75


def test_the_way_between_points_is_an_arc() -> None:
    a, b = np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]])
    assert np.allclose(between(a, b, 0.0), a)
    assert np.allclose(between(a, b, 1.0), b)
    assert np.allclose(between(a, b, 0.5), [[np.sqrt(0.5), 2 * np.sqrt(0.5)]])
    assert np.allclose(between(a, 2 * a, 0.25), 1.25 * a)
    assert np.allclose(between(a, -a, 0.5), 0 * a)


# The network


def network(config: LatentConfig) -> Any:
    torch = pytest.importorskip("torch")
    from m4mcli.networks.latent import Latent

    torch.manual_seed(0)
    made = Latent(config).eval()
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return made


def windows(count: int = 2) -> Any:
    return np.random.default_rng(1).integers(0, 130, (count, 32))


def lstm(inputs: int, width: int, layers: int, both: int = 1) -> int:
    """How many weights an LSTM has, in one direction or in both."""
    return both * sum(4 * width * ((both * width if i else inputs) + width + 2) for i in range(layers))


def weights(c: LatentConfig) -> int:
    """How many weights a network has, by what paper and code say of its layers."""
    guide, begun = c.told, 2 * c.layers * c.width
    count = lstm(130, c.encoder_width, c.encoder_layers, 2) + 2 * (2 * c.encoder_width + 1) * c.latent
    if c.segments > 1:
        count += (c.latent + 1) * 2 * c.conductor_layers * c.conductor_width
        count += lstm(c.conductor_input, c.conductor_width, c.conductor_layers) + (c.conductor_width + 1) * guide
    count += 0 if c.segments > 1 and not c.guide else (guide + 1) * begun
    return count + lstm(130 + guide, c.width, c.layers) + (c.width + 1) * 130


def test_networks_have_the_published_sizes() -> None:
    torch = pytest.importorskip("torch")
    from m4mcli.networks.latent import Latent

    for config in SMALL.values():
        assert sum(p.numel() for p in network(config).parameters()) == weights(config)
    # The authors' sizes by their paper and code, and that of Symbotunes, which tells 321 events apart.
    for name, events, millions in (("2bar", 130, 136.0), ("16bar", 130, 173.3), ("95m", 321, 95.1)):
        published = read_recipe(SHIPPED / f"music-vae-{name}.toml").network
        assert isinstance(published, LatentConfig)
        with torch.device("meta"):
            made = Latent(published, events)
        assert sum(p.numel() for p in made.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)


@pytest.mark.parametrize("name", SMALL)
def test_no_event_is_told_from_itself_or_from_what_follows(name: str) -> None:
    torch = pytest.importorskip("torch")
    made, events = network(SMALL[name]), torch.from_numpy(windows())
    point = made.encode(events).mean
    before = made.decode(point, events)
    for place in (0, 15, 16, 31):
        changed = events.clone()
        changed[:, place] = (changed[:, place] + 1) % 130
        after = made.decode(point, changed)
        assert torch.equal(before[:, : place + 1], after[:, : place + 1])
        if place < 31:
            assert not torch.equal(before[:, place + 1], after[:, place + 1])
    assert not torch.allclose(made.decode(point + 1, events)[:, 0], before[:, 0])


@pytest.mark.parametrize("name", SMALL)
def test_steps_say_what_whole_windows_say(name: str) -> None:
    torch = pytest.importorskip("torch")
    from m4mcli.generation.latent_sampling import LIKELIEST, told_logits, written
    from m4mcli.training.torch_latent_model import TorchLatentModel

    made, events = network(SMALL[name]), windows(3)
    model = TorchLatentModel(made)
    belief = made.encode(torch.from_numpy(events))
    mean, deviation = model.encode(events)
    assert np.allclose(mean, belief.mean.detach().numpy(), atol=1e-5)
    assert np.allclose(deviation, belief.deviation.detach().numpy(), atol=1e-5)
    whole = made.decode(belief.mean, torch.from_numpy(events)).detach().numpy()
    assert np.allclose(told_logits(model, mean, events), whole, atol=1e-4)
    randoms = [np.random.default_rng(0)] * 3
    assert np.array_equal(written(model, mean, LIKELIEST, randoms), made.written(belief.mean).numpy())


def test_points_are_drawn_and_their_divergence_told_with_one_deviation() -> None:
    torch = pytest.importorskip("torch")
    from m4mcli.networks.latent import Belief

    belief = Belief(torch.tensor([[0.5, -1.0]]), torch.tensor([[0.25, 2.0]]))
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(belief.mean, belief.deviation), normal(0.0, 1.0)).sum(-1)
    assert torch.allclose(belief.divergence(), expected)
    torch.manual_seed(0)
    drawn = torch.cat([belief.drawn() for _ in range(4000)])
    assert torch.allclose(drawn.std(0), belief.deviation[0], rtol=0.05)
    made = network(TINY)
    assert (made.encode(torch.from_numpy(windows())).deviation > 0).all()


def test_the_loss_weighs_what_the_recipe_says() -> None:
    torch = pytest.importorskip("torch")
    from m4mcli.training.latent_lesson import own_share

    plan = read_recipe(find_recipe("music-vae"), ("latent.sampling_rate=10.0",)).latent
    shares = [own_share(plan, step) for step in (0, 10, 23, 40, 100_000)]
    assert shares[0] == pytest.approx(1 / 11)
    assert shares[2] == pytest.approx(0.5, abs=0.01)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    made, events = network(TINY), torch.from_numpy(windows())
    point = made.encode(events).mean
    real = made.decode(point, events)
    torch.manual_seed(0)
    mixed = made.decode(point, events, 1.0)
    # The first event is told the same; the others are told draws.
    assert torch.equal(real[:, 0], mixed[:, 0])
    assert not torch.equal(real[:, 5], mixed[:, 5])


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("network.events=24", "network.events must be whole bars of 16"),
        ("network.segments=3", "a multiple of network.segments"),
        ("network.latent=0", "network.latent must be 1 or more"),
        ("latent.beta=-1.0", "latent.beta and latent.free_bits must be 0 or more"),
        ("latent.sampling_rate=-1.0", "latent.sampling_rate and latent.beta_after must be 0 or more"),
        ("start=x", "an autoencoder begins anew"),
        ('data.mix=[{make = "drums"}]', "data.mix.make = 'drums' is unknown"),
        ('data.mix=[{make = "melody", transforms = {tempo = [2.0]}}]', "autoencoders take transpose alone"),
    ],
)
def test_what_makes_no_recipe_is_said(setting: str, said: str) -> None:
    with pytest.raises(M4mError) as refused:
        read_recipe(find_recipe("music-vae"), (setting,))
    assert said in str(refused.value)
    assert read_config(TINY.as_dict()) == TINY


# From recipe to music


@pytest.fixture(scope="module")
def model(tunes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of a few thousand weights, trained for some steps and exported."""
    pytest.importorskip("torch")
    from m4mcli.training.export import export_model, subject_of
    from m4mcli.training.loop import train

    settings: tuple[str, ...] = ("network.latent=16", "network.encoder_width=16", "network.width=32", "data.windows=16")
    settings += ("latent.beta=0.0", 'data.mix=[{make = "melody", transforms = {transpose = [-5, 6]}}]')
    settings += ("optimizer.steps=30", "optimizer.lr=0.01", "optimizer.warmup=5", "optimizer.average=0.9")
    settings += ("trainer.precision=fp32", "trainer.evaluate_every=15", "trainer.save_every=15")
    folder = tmp_path_factory.mktemp("space")
    recipe = read_recipe(find_recipe("music-vae"), settings)
    path = train(recipe, tunes, folder / "run")
    measured = export_model(subject_of(path, tunes), folder / "mine")
    assert measured["32 bit"]["largest_logit_difference"] < 1e-3
    assert measured["8 bit"]["kl_nats"] < 0.005
    return folder / "mine"


def test_a_model_is_trained_and_measured(m4m: Run, tunes: Path, model: Path) -> None:
    lines = [json.loads(line) for line in (model.parent / "run" / "metrics.jsonl").read_text().splitlines()]
    valid = [line for line in lines if "valid" in line]
    assert valid[-1]["reconstruction_nats"] < valid[0]["reconstruction_nats"]
    done = m4m("evaluate", "interpolate", "--model", model, "--pack", tunes, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    (table,) = json.loads(done.stdout)["tables"]
    made, held = (row["figures"] for row in table["rows"])
    assert {"nats_per_note", "teacher_forced", "free_running", "notes_right", "density_up"} <= made.keys()
    assert 0 < made["free_running"]["mean"] <= made["teacher_forced"]["mean"] + 0.1
    assert held["notes_right"]["mean"] == 0
    assert held["free_running"]["mean"] == pytest.approx(1 - made_notes(tunes))


def made_notes(tunes: Path) -> float:
    """The mean share of events that are notes or their ends, in the tunes for validation."""
    shares = []
    for quarter in (240, 480):
        windows = melody_windows(tune(60, quarter), 32, 32)
        shares.append(float((windows != HOLD).mean()))
    return sum(shares) / 2


def test_the_way_from_tune_to_tune(m4m: Run, tmp_path: Path, tunes: Path, model: Path) -> None:
    one, other = tmp_path / "one.mid", tmp_path / "other.mid"
    one.write_bytes(score_to_midi(tune(60, program=73)))
    other.write_bytes(score_to_midi(tune(67, quarter=240)))
    done = m4m("interpolate", one, other, "--model", model, "--steps", "3", "--json")
    assert done.returncode == 0
    assert b"only the first 4 bars of each are read" in done.stderr
    score = json.loads(done.stdout)
    assert [marker["text"] for marker in score["markers"]] == ["step 1", "step 2", "step 3"]
    assert [marker["tick"] for marker in score["markers"]] == [0, 4 * 1920, 8 * 1920]
    # The ends are the melodies told again, and each step is a file of its own if so asked.
    done = m4m("interpolate", one, other, "--model", model, "--steps", "3", "--out-dir", "steps", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    files = sorted((tmp_path / "steps").iterdir())
    assert [file.name for file in files] == ["step-1.mid", "step-2.mid", "step-3.mid"]
    again = m4m("sample", model, "--prompt", other, "--temperature", "0")
    assert again.returncode == 0
    ends = [read_score(data, "m").score for data in (files[2].read_bytes(), again.stdout)]
    assert notes(ends[0]) == notes(ends[1])
    assert (
        m4m("interpolate", one, other, "--model", model, "--steps", "3", "-q").stdout
        == m4m("interpolate", one, other, "--model", model, "--steps", "3", "-q", "--seed", "5").stdout
    )


def notes(score: Score) -> list[Any]:
    return [track.notes.tolist() for track in score.tracks if len(track.notes)]


def test_melodies_are_drawn_and_moved(m4m: Run, tmp_path: Path, model: Path) -> None:
    drawn = {}
    for name, arguments in {
        "one": ("--seed", "1"),
        "again": ("--seed", "1"),
        "other": ("--seed", "2"),
        "moved": ("--seed", "1", "--attribute", "density=3"),
    }.items():
        done = m4m("sample", model, "-n", "3", "--out-dir", name, *arguments)
        assert (done.returncode, done.stderr) == (0, b"")
        drawn[name] = [path.read_bytes() for path in sorted((tmp_path / name).iterdir())]
        assert len(set(drawn[name])) == 3
    assert drawn["one"] == drawn["again"]
    assert drawn["one"] != drawn["other"]
    assert drawn["one"] != drawn["moved"]


def test_usage(m4m: Run, tmp_path: Path, model: Path) -> None:
    one, drums, waltz = (tmp_path / f"{name}.mid" for name in ("one", "drums", "waltz"))
    one.write_bytes(score_to_midi(tune()))
    drums.write_bytes(score_to_midi(Score(480, (Track("", 0, True, notes_array([(0, 1, 36, 80)])),))))
    waltz.write_bytes(score_to_midi(tune(signature=(3, 4))))
    two = (str(one), str(one), "--model", str(model))
    for arguments, status, said in (
        ((str(one),), 2, "the way is between two files, not 1"),
        (("-", "-"), 2, "both files cannot come from standard input"),
        ((*two, "--out-dir", "x", "-o", "y.mid"), 2, "--out-dir and -o exclude each other"),
        ((*two, "--attribute", "joy=1"), 2, "--attribute joy=1: the model knows density, pitch, range, syncopation"),
        ((*two, "--attribute", "density=much"), 2, "no number; write --attribute density=1"),
        ((str(one), str(drums), "--model", str(model)), 1, "drums.mid: no notes but drums"),
        ((str(one), str(one), "--model", "multihead"), 1, "a model for sample, not for interpolate"),
    ):
        done = m4m("interpolate", *arguments)
        assert (done.returncode, done.stdout) == (status, b""), said
        assert said in done.stderr.decode()
    done = m4m("interpolate", waltz, one, "--model", model, "--steps", "1")
    assert done.returncode == 0
    assert b"waltz.mid: not all in 4/4" in done.stderr
    done = m4m("sample", model, "--metre", "6/8")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--metre: mine writes melodies of a length of its own" in done.stderr
    done = m4m("sample", "multihead", "--attribute", "density=1")
    assert (done.returncode, done.stdout) == (2, b"")
