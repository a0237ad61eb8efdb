"""Music in 16th-note frames, as the models see it."""
