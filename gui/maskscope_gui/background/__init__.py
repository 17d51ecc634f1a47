"""Work that runs outside the window's thread."""
