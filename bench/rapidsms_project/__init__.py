"""A RapidSMS project that does what is measured of ours: a message is stored, its keyword's handler
looks the participant up by primary key, and the reply is stored and sent. RapidSMS is in a venv of
its own, which this package alone runs in."""
