"""Notifications: the inbox, and what a person wants to be told."""
