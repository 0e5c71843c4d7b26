//! Lists the domains behind a URI: `cargo run -p ferrovirt --example list -- test:///default`.

#![allow(clippy::print_stdout, reason = "it is what the example is for")]

use ferrovirt::Connection;

fn main() -> ferrovirt::Result<()> {
    let host = match std::env::args().nth(1) {
        Some(uri) => Connection::open(&uri)?,
        None => Connection::open_default()?,
    };
    println!("{} on {}", host.kind()?, host.hostname()?);
    for domain in host.domains()? {
        println!("{}  {}  {:?}", domain.uuid(), domain.name(), domain.state()?);
    }
    Ok(())
}
