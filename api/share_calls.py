"""Links that show one task to people without an account."""
