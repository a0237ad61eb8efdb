"""Writing music with a network: windows, rules, sampling, choice among samples."""
