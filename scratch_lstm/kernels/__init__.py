"""One time step of the LSTM cell, elementwise: the same interface by several hands."""
