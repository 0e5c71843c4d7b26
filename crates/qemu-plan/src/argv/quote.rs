//! A command line as a shell would read it, one option a line.

use super::Line;

/// A word in quotes if it needs them.
fn word(text: &str) -> String {
    let plain = |c: char| !c.is_ascii_whitespace() && !"!\"#$&'()*;<>?[\\]^`{|}~".contains(c);
    if text.is_empty() {
        "''".to_owned()
    } else if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Environment, program and arguments on one line.
pub fn one_line(line: &Line) -> String {
    let env = line.env.iter().map(|(name, value)| format!("{name}={}", word(value)));
    let words = std::iter::once(&line.program).chain(&line.args).map(|text| word(text));
    env.chain(words).collect::<Vec<_>>().join(" ")
}

/// Environment, program and arguments; an option's value stands on its line.
pub fn shell(line: &Line) -> String {
    let mut out = String::new();
    for (name, value) in &line.env {
        out.push_str(&format!("{name}={} \\\n", word(value)));
    }
    out.push_str(&word(&line.program));
    let mut seen_option = false;
    for (index, arg) in line.args.iter().enumerate() {
        let from_previous = index.saturating_sub(1);
        let more = line.args[from_previous..].iter().any(|other| other.starts_with('-'));
        if arg.starts_with('-') || !(seen_option && more) {
            out.push_str(" \\\n");
        } else {
            out.push(' ');
        }
        seen_option |= arg.starts_with('-');
        out.push_str(&word(arg));
    }
    out.push('\n');
    out
}
