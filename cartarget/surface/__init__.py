"""Is it on the cell surface, and which part sticks out?"""
