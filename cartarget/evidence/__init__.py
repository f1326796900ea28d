"""How many observations are positive, and how sure are we?"""
