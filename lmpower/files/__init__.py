"""Files as such: written whole or not at all, JSON read as it streams by, and how far along that is."""
