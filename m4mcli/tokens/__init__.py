"""Music as token ids for sequence models: schemes, their vocabularies, and the JSON form of tokens."""
