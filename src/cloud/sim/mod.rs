//! An AWS in memory, with faults: for unit tests, crash tests and the model.
