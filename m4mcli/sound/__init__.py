"""Music as sound: soundfonts, a plain tone, WAV files, players."""
