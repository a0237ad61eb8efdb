"""How good is it: figures, baselines and tables."""
