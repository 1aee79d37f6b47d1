"""Output languages: a Document becomes a view of ready strings for a template; `<language>.build` makes it."""
