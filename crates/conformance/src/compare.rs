//! Comparing what was produced with what is expected, byte for byte but for the allowances the corpus states.

use similar::{ChangeTag, TextDiff};

/// Produced text with the final newline that expected files always have.
fn with_newline(text: &str) -> String {
    match text {
        "" => String::new(),
        text if text.ends_with('\n') => text.to_owned(),
        text => format!("{text}\n"),
    }
}

/// Compares with an expected file whose backslash-newline pairs stand for nothing.
pub(crate) fn unwrapped(expected: &str, got: &str) -> Result<(), String> {
    exact(&expected.replace("\\\n", ""), &with_newline(got))
}

/// Compares with an expected file that is taken as it is, e.g. a command line.
pub(crate) fn as_is(expected: &str, got: &str) -> Result<(), String> {
    exact(expected, &with_newline(got))
}

/// Compares bytes; the error is a diff.
pub(crate) fn exact(expected: &str, got: &str) -> Result<(), String> {
    if expected == got {
        return Ok(());
    }
    let diff = TextDiff::from_lines(expected, got);
    let mut text = String::new();
    for group in diff.grouped_ops(1) {
        for op in group {
            for change in diff.iter_changes(&op) {
                let sign = match change.tag() {
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                    ChangeTag::Equal => ' ',
                };
                text.push(sign);
                text.push_str(change.value());
                if change.missing_newline() {
                    text.push_str("\n\\ no newline at the end\n");
                }
            }
        }
    }
    Err(text)
}
