"""Commands that the operator has written down: each a template with typed parameters, run without a shell on a pty.

The straight line: `templates` (the file) → `params` (what somebody asks for) → `launch` with `keeper` (the processes) →
`screen` and `bars` (what the output says) → `output` (what of it is kept) → `job`.
"""
