"""This package is what is known of a phone: bindings, consent, open question, lockout, codes and
cases."""
