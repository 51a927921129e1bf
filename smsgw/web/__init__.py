"""This package is what is served over HTTP."""
