"""What an export holds, found out without a plan and without a connection."""
