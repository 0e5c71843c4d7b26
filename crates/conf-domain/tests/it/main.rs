//! Documents through the public face.

mod completed;
