"""Keywords, wordings, tables, drafts and versions."""
