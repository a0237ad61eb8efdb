"""The network in torch: layers, foundation, objective, adapters, step functions."""
