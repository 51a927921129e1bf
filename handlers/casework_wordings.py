"""Declares the wordings for an officer's decision about a registration that no code confirmed."""

WORDINGS = {"accepted": ("nkp", "starts"), "differs": (), "not_found": (), "visit": ()}
