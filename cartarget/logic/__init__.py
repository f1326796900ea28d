"""Which logic? A gate as a value, its shapes, and many gates as arrays."""
