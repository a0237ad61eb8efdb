"""Packs: folders of music as flat arrays of frame notes for training."""
