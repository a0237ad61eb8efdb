"""Recipes, batches, the training loop, checkpoints and the export to ONNX."""
