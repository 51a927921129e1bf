"""What is known of a phone: bindings, consent, open question, lockout, codes and cases."""
