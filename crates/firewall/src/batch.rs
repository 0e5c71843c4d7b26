//! Many actions as the input of one process.
//!
//! `iptables-restore` takes the rules table by table and applies each table as a whole; `nft -f` applies all or nothing.

use crate::transaction::{Action, Layer};
use std::fmt::Write;

/// Input of `iptables-restore --noflush` for the actions of one layer, in order; empty when there is none.
pub fn restore(actions: &[&Action], layer: Layer) -> String {
    let mut tables: Vec<(&str, String)> = Vec::new();
    for action in actions.iter().filter(|action| action.layer == Some(layer)) {
        let (table, rest) = match action.args.as_slice() {
            [option, table, rest @ ..] if option == "--table" || option == "-t" => (table.as_str(), rest),
            rest => ("filter", rest),
        };
        let at = tables.iter().position(|(known, _)| *known == table).unwrap_or_else(|| {
            tables.push((table, String::new()));
            tables.len() - 1
        });
        let Some((_, lines)) = tables.get_mut(at) else { continue };
        for (at, word) in rest.iter().enumerate() {
            if at > 0 {
                lines.push(' ');
            }
            quote(word, lines);
        }
        lines.push('\n');
    }
    let mut text = String::new();
    for (table, lines) in tables {
        // Writing to a String cannot fail.
        let _ = write!(text, "*{table}\n{lines}COMMIT\n");
    }
    text
}

fn quote(word: &str, out: &mut String) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/,!+=%@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        out.push_str(word);
        return;
    }
    out.push('"');
    for c in word.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// Input of `nft -f -` for all actions that are for nft, in order.
pub fn script(actions: &[&Action]) -> String {
    let mut text = String::new();
    for action in actions.iter().filter(|action| action.layer != Some(Layer::Tc)) {
        let mut name = false;
        // How a single command is to be told what it did means nothing within a script.
        let words = action.args.iter().filter(|word| *word != "-ae");
        for (at, word) in words.enumerate() {
            if at > 0 {
                text.push(' ');
            }
            // Names of interfaces may look like anything.
            if name {
                let _ = write!(text, "\"{word}\"");
            } else {
                text.push_str(word);
            }
            name = matches!(word.as_str(), "iif" | "oif" | "iifname" | "oifname");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_block_for_each_table() {
        let actions = [
            Action::new(Layer::Ipv4, ["--table", "nat", "--insert", "A", "!", "-d", "1.0.0.0/8"]),
            Action::new(Layer::Ipv6, ["--table", "nat", "--insert", "B"]),
            Action::new(Layer::Ipv4, ["--insert", "C", "-i", "a b"]),
            Action::new(Layer::Ipv4, ["--table", "nat", "--insert", "D"]),
        ];
        let all: Vec<&Action> = actions.iter().collect();
        let expected =
            "*nat\n--insert A ! -d 1.0.0.0/8\n--insert D\nCOMMIT\n*filter\n--insert C -i \"a b\"\nCOMMIT\n";
        assert_eq!(restore(&all, Layer::Ipv4), expected);
        assert_eq!(restore(&all[..1], Layer::Ipv6), "");
    }

    #[test]
    fn interfaces_are_quoted_for_nft() {
        let action = Action::new(
            Layer::Ipv4,
            ["-ae", "insert", "rule", "ip", "t", "c", "iif", "br0", "counter", "drop"],
        );
        assert_eq!(script(&[&action]), "insert rule ip t c iif \"br0\" counter drop\n");
    }
}
