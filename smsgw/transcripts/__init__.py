"""This package runs conversations as tests: their format, the strict reader, the runner that plays
them to the real responder, and the comparison of what came with what was expected."""
