"""Alerts: what is wrong, and from when on something counts as wrong."""
