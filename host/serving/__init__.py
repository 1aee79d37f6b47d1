"""A guest behind a port: Triton has the Open Inference Protocol, and its Python backend runs our worker."""
