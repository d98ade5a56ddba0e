"""Advisories: the job that imports them per ecosystem, and the matching of packages against them."""
