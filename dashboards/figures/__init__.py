"""One figure a file: a pure function from DataFrame to Figure."""
