"""This package is what operators do and look up: accounts, casework, resend, message log,
backtest."""
