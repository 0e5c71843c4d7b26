//! Processor models through the public seams: our own cases, and the corpus where it is present.

mod corpus;
mod own;
