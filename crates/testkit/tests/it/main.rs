//! Tests of the house itself.

mod house;
