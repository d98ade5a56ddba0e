"""The trace scan: requirements kept as Markdown beside the code, and the annotations that point to them."""
