//! A command line as a value.

use std::fmt;

/// A program, named without its folder, and its arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Program.
    pub program: &'static str,
    /// Arguments.
    pub args: Vec<String>,
}

impl Call {
    /// A command line.
    pub fn new<S: AsRef<str>>(program: &'static str, args: impl IntoIterator<Item = S>) -> Call {
        Call { program, args: args.into_iter().map(|arg| arg.as_ref().to_owned()).collect() }
    }

    /// All words, the program first.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.program).chain(self.args.iter().map(String::as_str))
    }
}

impl fmt::Display for Call {
    /// Words separated by blanks, as messages show them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)?;
        self.args.iter().try_for_each(|arg| write!(f, " {arg}"))
    }
}
