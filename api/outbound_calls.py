"""Webhooks and mail: where else a person is told, and what became of each delivery."""
