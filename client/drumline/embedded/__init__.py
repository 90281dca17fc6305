"""Running a graph inside the process of its caller."""
