"""The test phone and saved transcripts."""
