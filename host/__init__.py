"""The Python WASI-NN host: run a guest with models it may use; nothing is imported until it is asked for."""
