"""Speech that nobody spoke: pulses of a voice through the resonances of vowels, bursts of noise for
consonants, pauses, and noise over all. Deterministic."""

from itertools import pairwise

import numpy as np
from scipy.signal import lfilter

from burnish_runtime.session import Array

RATE, CHUNK = 16000, 512
SECONDS = 4
# The first three resonances of five vowels, hertz. Source: Peterson & Barney 1952, men.
VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
BANDWIDTHS = (80, 100, 140)
PAUSES = 0.45


def clip(random: np.random.Generator) -> Array:
    """float32 [64000]: four seconds of words, pauses and sounds that are no speech, under noise."""
    parts: list[Array] = []
    while sum(map(len, parts)) < SECONDS * RATE:
        drawn = random.random()
        if drawn < PAUSES:
            parts.append(np.zeros(int(RATE * random.uniform(0.2, 0.8))))
        elif drawn < PAUSES + 0.1:
            parts.append(_hum(random))
        else:
            parts.append(_word(random) * random.uniform(0.03, 0.8))
    sound = np.concatenate(parts)[: SECONDS * RATE]
    noise = random.normal(size=len(sound)) * 10 ** random.uniform(-4, -1.5)
    return (sound + noise).astype(np.float32)


def _word(random: np.random.Generator) -> Array:
    pitch = random.uniform(90, 230)
    syllables = [
        _syllable(random, pitch * random.uniform(0.9, 1.1)) for _ in range(int(random.integers(2, 8)))
    ]
    return np.concatenate(syllables)


def _syllable(random: np.random.Generator, pitch: float) -> Array:
    """A burst, then a voice that goes from one vowel to another."""
    count = int(RATE * random.uniform(0.08, 0.22))
    time = np.arange(count) / RATE
    tremble = 1 + 0.05 * np.sin(2 * np.pi * 5 * time + random.uniform(0, 6))
    phase = np.cumsum(pitch * tremble * np.linspace(1.1, 0.9, count)) / RATE % 1
    pulses = np.diff((phase < 0.5) * np.sin(2 * np.pi * phase), prepend=0) + 0.01 * random.normal(size=count)
    first, second = random.integers(0, len(VOWELS), 2)
    share = np.linspace(0, 1, count)
    voice = _through(pulses, VOWELS[first]) * (1 - share) + _through(pulses, VOWELS[second]) * share
    edge = np.minimum(np.arange(count), np.arange(count)[::-1]) / (0.02 * RATE)
    burst = random.normal(size=int(RATE * random.uniform(0.02, 0.09)))
    hiss = np.diff(burst, prepend=0) * np.hanning(len(burst)) * random.uniform(0.05, 0.25)
    return np.concatenate([hiss, voice * np.minimum(1, edge)])


def _through(pulses: Array, resonances: tuple[int, ...]) -> Array:
    """Two-pole resonators one after the other (Klatt 1980), the loudest sample 1."""
    sound = pulses
    for hertz, bandwidth in zip(resonances, BANDWIDTHS, strict=True):
        radius = np.exp(-np.pi * bandwidth / RATE)
        one, two = 2 * radius * np.cos(2 * np.pi * hertz / RATE), -radius * radius
        sound = lfilter([1 - one - two], [1, -one, -two], sound)
    return np.asarray(sound / (np.abs(sound).max() + 1e-9))


def _hum(random: np.random.Generator) -> Array:
    """Steady tones, as of machines."""
    time = np.arange(int(RATE * random.uniform(0.2, 0.6))) / RATE
    hertz = sorted(random.uniform(80, 3000, 3))
    tones = [np.sin(2 * np.pi * f * time) for f in (*hertz, *(b - a for a, b in pairwise(hertz)))]
    return np.asarray(sum(tones)) * random.uniform(0.01, 0.15)
