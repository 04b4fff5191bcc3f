"""How far reduced precision moves results: the gates, and eight-bit networks."""
