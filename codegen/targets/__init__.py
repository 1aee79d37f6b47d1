"""One module per output language: a Document becomes a view of ready strings for that language's template."""
