"""Intervals."""

import numpy as np

CONSONANCE = np.array([1, -1, -1, 1, 1, 0, -1, 1, 1, 1, -1, -1])
"""A melody note so many semitones above a chord tone, octaves aside: 1 consonant (unison, thirds, fifth, sixths), 0 the
fourth, -1 any other; as in the pitch consonance score of Yeh et al. (arXiv 2001.02360)."""
