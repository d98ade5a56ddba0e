"""What every scan of a repository needs: where it comes from, fetching it, and listing and reading its files safely."""
