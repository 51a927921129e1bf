"""What operators publish: the document, its validation, wordings that fit, versions."""
