"""Every port in-process: the embedded default, and the fakes of the tests."""
