//! Packet filter rules as data.
//!
//! ```text
//! Intent ──backend──▶ groups of actions ──▶ one batch (iptables-restore, one nft transaction)
//!   │                        │          └──▶ calls one by one, with rollback (dry run, fallback)
//!   │                        └── removal ──▶ status document
//!   └── kept by the driver, replayed whenever somebody else has changed the rules
//! ```
//!
//! * [`call`]: a command line
//! * [`transaction`]: groups of actions, what undoes them, and the order in which that happens
//! * [`intent`]: what one virtual network wants of the filter
//! * [`iptables`], [`nftables`]: the rules of an intent, and the private chains they stand in
//! * [`foreign`]: what rules of others do to packets of virtual networks
//! * [`batch`]: many actions as the input of one process
//! * [`removal`]: what removes a network's rules, as the status document keeps it
//!
//! Rules of virtual networks live in private chains, grouped by what they are about: traffic within a bridge first, then
//! traffic into networks, then traffic out of them. So no network's leave to send is asked before every network's
//! refusal to receive.
//!
//! *Invariant:* nothing here runs anything; a [`transaction::Runner`] does.

pub mod batch;
pub mod call;
pub mod foreign;
pub mod intent;
pub mod iptables;
pub mod nftables;
pub mod removal;
pub mod transaction;

pub use call::Call;
pub use intent::{Intent, Kind, Nat};
pub use transaction::{Action, Answer, Group, Layer, Runner, Transaction};

base::text_enum! {
    /// Who keeps the rules.
    pub enum Backend {
        /// Chains beside those of others in the common tables.
        Iptables = "iptables",
        /// A table of its own.
        Nftables = "nftables",
        /// Nobody: networks start without rules.
        None = "none",
    }
}
