"""How two streams are compared. Nothing here is public: `drumline.testing` is."""
