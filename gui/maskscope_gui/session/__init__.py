"""What is open, and where the cursor is."""
