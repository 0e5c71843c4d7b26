//! What filters become on an interface.
