"""What one value means by itself: dates, emails, phones, durations, spellings, JSON values."""
