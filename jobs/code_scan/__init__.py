"""The code scan: what a repository's code reads, writes, calls and serves, kept with its history.

The straight line: `jobs.repository` (fetch, list) → `parse_pool` (children running `languages`) → `saving`.
Pages read through `query`, `flow` and `exports`. This file stays empty of imports: a parse child passes through it.
"""
