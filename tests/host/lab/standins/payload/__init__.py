"""Sources that go into the stand-in wheels."""
