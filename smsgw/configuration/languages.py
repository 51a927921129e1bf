"""Names the languages of replies."""

FALLBACK = "id"  # what the ledger's own words are in; it has every wording
REQUIRED = (FALLBACK, "en")
OPTIONAL = ("jv", "su")  # where one has no wording, the reply is in FALLBACK
LANGUAGES = (*REQUIRED, *OPTIONAL)
