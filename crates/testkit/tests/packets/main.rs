//! Real packets between machines on virtual networks. Network namespaces stand for the machines.
//!
//! ```text
//!   ha ── nat a ─┐                    ┌─ routed c ── hc
//!   hb ── nat b ─┼── this namespace ──┼─ alone d ─── hd
//!                │      up0           └─ open e ──── he
//!                └──────┴── out
//! ```
//!
//! Every test runs in a network and mount namespace of its own, which needs root. With `FERROVIRT_TEST_URI` another
//! daemon answers, whose tests run in its namespace; what only our daemon can do is skipped then.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, a skipped one says so"
)]

mod matrix;
mod probe;
mod services;
mod stage;

/// A test of this file in its own namespaces, for one keeper of the rules.
fn staged(test: &str, backend: &'static str, body: fn(&stage::Stage)) {
    if let Ok(role) = std::env::var(probe::ROLE) {
        probe::play(&role);
        return;
    }
    if stage::inside(test) {
        body(&stage::Stage::set(backend));
    }
}

#[test]
fn iptables() {
    staged("iptables", "iptables", matrix::everything);
}

#[test]
fn nftables() {
    staged("nftables", "nftables", matrix::everything);
}

#[test]
fn answers_of_networks() {
    staged("answers_of_networks", "iptables", services::everything);
}

#[test]
fn answers_with_nftables() {
    staged("answers_with_nftables", "nftables", services::everything);
}
