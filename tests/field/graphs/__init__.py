"""The graphs: a function for each case, what it is given, and what its models say."""
