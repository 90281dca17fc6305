"""How the simulated cluster works. Nothing here is public: `drumline.testing` is."""
