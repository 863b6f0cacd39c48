"""What viewers did with a video, and how far it can be believed: signals, scores and their windows."""
