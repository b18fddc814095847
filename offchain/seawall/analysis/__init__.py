"""What made a requirement, and what a book would lose: for one book and one time, away from any chain."""

from seawall.analysis.book import Book, read_book

__all__ = ["Book", "read_book"]
