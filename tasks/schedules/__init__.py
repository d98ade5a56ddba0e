"""Schedules: stored recipes that start tasks by cron expression and time zone.

`recipes` is what people do to them, `firing` what the scheduler does. Their tasks are ordinary tasks that name them.
"""
