"""Output languages: `<language>.build` turns a Document into a view of ready strings for a template."""
