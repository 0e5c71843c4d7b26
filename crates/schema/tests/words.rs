//! What is told of documents that do not fit: the way of the reference's library for schemas.

use schema::Kind;
use xml::Document;

fn check(kind: Kind, text: &str, lines: &[&str]) {
    let document = Document::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let told = schema::check(kind, document.root()).err().map(|violation| violation.to_string());
    assert_eq!(told.unwrap_or_default().lines().collect::<Vec<_>>(), lines, "{text}");
}

#[test]
fn violations_in_words_of_libxml2() {
    let network = |inside: &str| format!("<network><name>n</name>{inside}</network>");
    let above = ["Extra element ip in interleave", "Element network failed to validate content"];
    check(Kind::Network, &network("<bridge name='b'/>"), &[]);
    check(Kind::Network, &network("<ipx/>"), &["Element network has extra content: ipx"]);
    check(
        Kind::Network,
        &network("<bridge delay='x'/>"),
        &["Extra element bridge in interleave", "Element network failed to validate content"],
    );
    check(
        Kind::Network,
        &network("<dns/><dns/>"),
        &["Extra element dns in interleave", "Element network failed to validate content"],
    );
    check(
        Kind::Network,
        &network("<ip address='x'/>"),
        &["Invalid attribute address for element ip", above[0], above[1]],
    );
    check(
        Kind::Network,
        "<network/>",
        &[
            "Expecting an element name, got nothing",
            "Invalid sequence in interleave",
            "Element network failed to validate content",
        ],
    );
    check(
        Kind::Network,
        &network("<ip address='10.0.0.1'><dhcp><host mac='x' ip='10.0.0.2'/></dhcp></ip>"),
        &[
            "Invalid attribute mac for element host",
            "Extra element host in interleave",
            "Element dhcp failed to validate content",
            "Extra element dhcp in interleave",
            "Element ip failed to validate content",
            above[0],
            above[1],
        ],
    );
    check(Kind::StoragePool, "<pool><name>p</name></pool>", &["Element pool failed to validate content"]);
}

#[test]
fn documents_of_another_kind_are_refused_by_their_name() {
    let told = schema::validate_text(Kind::Secret, "<volume/>").expect_err("no secret");
    assert_eq!(told.message(), "XML error: expecting root element of 'secret', not 'volume'");
    assert_eq!(schema::validate_text(Kind::Secret, "no document"), Ok(()));
}
