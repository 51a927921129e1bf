"""These pages are the test phone and saved transcripts."""
