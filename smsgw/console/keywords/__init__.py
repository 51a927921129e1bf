"""These pages edit keywords, wordings, tables, drafts and versions."""
