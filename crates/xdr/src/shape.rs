//! What the wire form of a type is made of, as data.
//!
//! Decoders and encoders are generated code; the shape lets something else write the same bytes: [`Shape::write`] makes a
//! valid message, or one with a single thing wrong, out of choices that come from outside. Tests compare both.

/// What stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A number of so many bytes; some are narrower than their room.
    Number {
        /// Bytes on the wire.
        bytes: usize,
        /// Least value that is read.
        least: i128,
        /// Greatest value that is read.
        most: i128,
    },
    /// A `char` in a word: read with or without its sign, written with it.
    Char,
    /// A floating point number of eight bytes.
    Double,
    /// A word, zero or one; anything but zero is read as one.
    Truth,
    /// Bytes of a fixed count, a multiple of four.
    Fixed(usize),
    /// Counted text of at most so many bytes.
    Text(usize),
    /// Counted bytes, at most so many.
    Bytes(usize),
    /// A word that says whether the value follows.
    Option(&'static Shape),
    /// A counted list of at most so many.
    List(&'static Shape, usize),
    /// So many one after the other.
    Array(&'static Shape, usize),
    /// One after the other.
    Record(&'static [&'static Shape]),
    /// A word that says which follows.
    Choice(&'static [(i32, &'static Shape)]),
}

/// Where the choices come from: a number below the bound, which is at least one.
pub type Choose<'c> = dyn FnMut(u64) -> u64 + 'c;

/// Elements of a list and bytes of a text when nothing is wrong with them.
const SOME: u64 = 4;

impl Shape {
    /// Fewest bytes.
    pub fn least(&self) -> usize {
        match self {
            Shape::Number { bytes, .. } => *bytes,
            Shape::Double => 8,
            Shape::Char | Shape::Truth => 4,
            Shape::Fixed(count) => *count,
            Shape::Text(_) | Shape::Bytes(_) | Shape::Option(_) | Shape::List(..) => 4,
            Shape::Array(of, count) => of.least() * count,
            Shape::Record(parts) => parts.iter().map(|part| part.least()).sum(),
            Shape::Choice(ways) => 4 + ways.iter().map(|(_, of)| of.least()).min().unwrap_or(0),
        }
    }

    /// Appends a valid value.
    pub fn write(&self, choose: &mut Choose<'_>, out: &mut Vec<u8>) {
        match self {
            Shape::Number { bytes, least, most } => {
                let value = match choose(4) {
                    0 => *least,
                    1 => *most,
                    2 => (*least).max(0),
                    _ => least + (i128::from(choose(u64::MAX)) % (most - least + 1)),
                };
                word(value, *bytes, out);
            }
            Shape::Double => out.extend_from_slice(&f64::from(choose(1 << 20) as u32).to_be_bytes()),
            Shape::Char => word(i128::from(choose(256)) - 128, 4, out),
            Shape::Truth => word(i128::from(choose(2)), 4, out),
            Shape::Fixed(count) => (0..*count).for_each(|_| out.push(choose(256) as u8)),
            Shape::Text(limit) => {
                let letters = ["a", "Z", "0", "-", "<", "é", "\u{10ffff}", "\n"];
                let mut text = String::new();
                for _ in 0..choose(SOME + 1) {
                    text.push_str(letters[choose(letters.len() as u64) as usize]);
                }
                while text.len() > *limit {
                    text.pop();
                }
                crate::put_bytes(text.as_bytes(), out);
            }
            Shape::Bytes(limit) => {
                let count = choose(SOME + 1).min(*limit as u64);
                let bytes: Vec<u8> = (0..count).map(|_| choose(256) as u8).collect();
                crate::put_bytes(&bytes, out);
            }
            Shape::Option(of) => {
                let there = choose(2);
                word(i128::from(there), 4, out);
                if there == 1 {
                    of.write(choose, out);
                }
            }
            Shape::List(of, limit) => {
                let count = choose(SOME).min(*limit as u64);
                word(i128::from(count), 4, out);
                (0..count).for_each(|_| of.write(choose, out));
            }
            Shape::Array(of, count) => (0..*count).for_each(|_| of.write(choose, out)),
            Shape::Record(parts) => parts.iter().for_each(|part| part.write(choose, out)),
            Shape::Choice(ways) => {
                let (number, of) = ways[choose(ways.len() as u64) as usize];
                word(i128::from(number), 4, out);
                of.write(choose, out);
            }
        }
    }

    /// Values of the shape that are wrong in one place each, and nothing before it: counts beyond their limit, numbers
    /// beyond their range, texts that are none. What follows the wrong place is left out.
    pub fn wrong(&self) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        self.spoil(&[], &mut found);
        found
    }

    fn spoil(&self, before: &[u8], found: &mut Vec<Vec<u8>>) {
        let mut with = |parts: &[(i128, usize)], rest: &[u8]| {
            let mut bytes = before.to_vec();
            parts.iter().for_each(|(value, count)| word(*value, *count, &mut bytes));
            bytes.extend_from_slice(rest);
            found.push(bytes);
        };
        let deeper = |first: i128| {
            let mut bytes = before.to_vec();
            word(first, 4, &mut bytes);
            bytes
        };
        match self {
            Shape::Number { bytes, least, most } => {
                // A number that fills its room cannot be wrong.
                if *bytes == 4 && *most < i128::from(i32::MAX) {
                    with(&[(most + 1, 4)], &[]);
                    if *least < 0 {
                        with(&[(least - 1, 4)], &[]);
                    }
                }
            }
            Shape::Char => {
                with(&[(-129, 4)], &[]);
                with(&[(256, 4)], &[]);
            }
            Shape::Double | Shape::Truth | Shape::Fixed(_) => {}
            Shape::Text(limit) => {
                with(&[(*limit as i128 + 1, 4)], &[]);
                with(&[(i128::from(u32::MAX), 4)], &[]);
                with(&[(1, 4)], &[0, 0, 0, 0]);
                with(&[(1, 4)], &[0xff, 0, 0, 0]);
            }
            Shape::Bytes(limit) => {
                with(&[(*limit as i128 + 1, 4)], &[]);
                with(&[(i128::from(u32::MAX), 4)], &[]);
            }
            Shape::Option(of) => {
                with(&[(2, 4)], &[]);
                of.spoil(&deeper(1), found);
            }
            Shape::List(of, limit) => {
                with(&[(*limit as i128 + 1, 4)], &[]);
                with(&[(i128::from(u32::MAX), 4)], &[]);
                of.spoil(&deeper(1), found);
            }
            Shape::Array(of, _) => of.spoil(before, found),
            Shape::Record(parts) => {
                let mut bytes = before.to_vec();
                for part in *parts {
                    part.spoil(&bytes, found);
                    part.write(&mut |_| 0, &mut bytes);
                }
            }
            Shape::Choice(ways) => {
                with(&[(0, 4)], &[]);
                for (number, of) in *ways {
                    of.spoil(&deeper(i128::from(*number)), found);
                }
            }
        }
    }
}

fn word(value: i128, bytes: usize, out: &mut Vec<u8>) {
    let all = value.to_be_bytes();
    out.extend_from_slice(&all[all.len() - bytes.min(all.len())..]);
}

#[cfg(test)]
mod tests {
    use crate::Xdr;
    use base::param::TypedParam;

    #[test]
    fn shapes_of_nested_types() {
        let shape = <Option<TypedParam>>::SHAPE;
        assert_eq!((shape.least(), TypedParam::SHAPE.least()), (4, TypedParam::MIN));
        let mut bytes = Vec::new();
        shape.write(&mut |bound| bound - 1, &mut bytes);
        let read: Option<TypedParam> = crate::from_bytes(&bytes).unwrap();
        assert_eq!(crate::to_bytes(&read), bytes);
        let wrong = shape.wrong();
        assert!(wrong.len() > 8);
        for bytes in wrong {
            assert!(crate::from_bytes::<Option<TypedParam>>(&bytes).is_err(), "{bytes:?}");
        }
    }
}
