"""A pipeline that reads old Japanese books: where the characters are on a page, and which they are."""
