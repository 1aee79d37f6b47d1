"""Hear, write down, count and replay the wasi-nn calls of a run."""
