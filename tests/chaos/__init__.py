"""`make chaos`: many runs on real processes while everything around them is killed, stopped and cut. See `__main__`."""
