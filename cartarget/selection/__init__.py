"""What do we take forward?"""
