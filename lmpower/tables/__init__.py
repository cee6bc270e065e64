"""Counts from tables: files and data frames, a row a problem or a row an attempt."""

from lmpower.tables.read import choose_group, read_counts

__all__ = ["choose_group", "read_counts"]
