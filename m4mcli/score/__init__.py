"""A piece of music: read with care, written whole."""
