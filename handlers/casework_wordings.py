"""Words what an officer decided about a registration that no code settled."""

WORDINGS = {"accepted": ("nkp", "starts"), "differs": (), "not_found": (), "visit": ()}
