"""This package is what operators publish: the document, its validation, wordings that fit,
versions."""
