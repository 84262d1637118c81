"""What one value says by itself: dates, emails and phones, durations, spellings, placeholders."""
