//! Codes of keys: clients name keys in one of several sets, the emulator takes one of its own.

/// One line a key, one column a set.
const TABLE: &str = include_str!("../data/keys.table");

/// Names of the sets by their numbers.
const SETS: [&str; 10] =
    ["linux", "xt", "atset1", "atset2", "atset3", "os_x", "xt_kbd", "usb", "win32", "qnum"];

/// Columns of the table by the numbers of the sets. The second set is another name of the third.
const COLUMNS: [usize; 10] = [0, 1, 1, 2, 3, 4, 5, 6, 7, OWN];

/// The emulator's own column.
const OWN: usize = 8;

/// The name of a set.
pub fn set_name(set: u32) -> Option<&'static str> {
    SETS.get(set as usize).copied()
}

/// The emulator's code of a key that has a code in a set.
pub fn translate(set: u32, code: u32) -> Option<u32> {
    let column = *COLUMNS.get(set as usize)?;
    if column == OWN {
        return Some(code);
    }
    let number = |line: &str, column: usize| line.split(' ').nth(column)?.parse::<u32>().ok();
    let keys = TABLE.lines().filter(|line| !line.starts_with('#'));
    let line = keys.into_iter().find(|line| number(line, column) == Some(code))?;
    number(line, OWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_in_many_sets() {
        // The letter A.
        for (set, code) in [(0, 30), (1, 30), (2, 30), (3, 28), (5, 0), (7, 4), (8, 65), (9, 30)] {
            assert_eq!(translate(set, code), Some(30), "set {set}");
        }
        assert_eq!(translate(0, 9999), None);
        assert_eq!(translate(10, 1), None);
        assert_eq!(set_name(5), Some("os_x"));
    }
}
