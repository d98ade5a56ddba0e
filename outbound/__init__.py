"""What leaves the server: notifications posted to webhooks, and mailed. What became of each is kept."""
