//! Handlers and random bytes: nothing panics, nothing is allocated that was not sent.

use api::{Call, DriverSet};
use proptest::prelude::*;
use proto::generated::table;
use rpc_server::dispatch;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_bytes_for_any_procedure(number in 0usize..453, payload in prop::collection::vec(any::<u8>(), 0..200), zeros in 0usize..64) {
        let rows = table::REMOTE.procedures;
        let row = &rows[number % rows.len()];
        let mut bytes = vec![0; zeros];
        bytes.extend(payload);
        let drivers = DriverSet::empty("test:///nothing");
        prop_assert!(dispatch::call(&Call::internal(), &drivers, &table::REMOTE, row, &bytes).is_err());
    }
}
