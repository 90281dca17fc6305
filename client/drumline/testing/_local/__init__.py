"""How the cluster of threads works. Nothing here is public: `drumline.testing` is."""
