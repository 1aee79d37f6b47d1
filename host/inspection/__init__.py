"""What `python -m host inspect` tells of a guest or a model; runs neither."""
