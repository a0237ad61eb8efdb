"""Music theory as small pure functions."""
