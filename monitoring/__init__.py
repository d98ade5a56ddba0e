"""What operators are told of the installation: which processes there are, what they measure, and what is wrong."""
