"""What is in a piece: beats, chords, keys. Reads scores and frames, writes nothing."""
