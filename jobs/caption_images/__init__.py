"""Descriptions of images, made one by one and read by a person before they count.

The straight line: `sources` (what there is) → `decoder` (a child process makes pictures and facts of each file) → a
`captioners` (a model server, or the built-in draft) → `saving` (one row at a time). People decide through `review`, and
take the result away through `exports`. What they send lies in `uploads`. This file stays empty of imports: the child
passes through it.
"""
