"""Readers of checkpoints that others have trained, one module a format."""
