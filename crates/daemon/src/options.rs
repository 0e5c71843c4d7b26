//! The command line, as libvirtd's.

use std::path::PathBuf;

/// What the command line asked for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) verbose: bool,
    pub(crate) daemon: bool,
    pub(crate) listen: bool,
    pub(crate) config: Option<PathBuf>,
    /// Seconds without clients and guests after which the daemon ends.
    pub(crate) timeout: Option<u32>,
    pub(crate) pid_file: Option<PathBuf>,
    /// Folder that stands for `/`.
    pub(crate) root: PathBuf,
}

/// What to do instead of serving.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Serve(Options),
    Help,
    Version,
    Wrong(String),
}

/// Reads the command line without the program's name.
pub(crate) fn parse(args: impl Iterator<Item = String>) -> Asked {
    let mut options = Options { root: PathBuf::from("/"), ..Options::default() };
    let mut args = args.flat_map(|arg| match arg.split_once('=') {
        Some((name, value)) if name.starts_with("--") => vec![name.to_owned(), value.to_owned()],
        _ => vec![arg],
    });
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-h" | "--help" => return Asked::Help,
            "-V" | "--version" => return Asked::Version,
            "-v" | "--verbose" => options.verbose = true,
            "-d" | "--daemon" => options.daemon = true,
            "-l" | "--listen" => options.listen = true,
            "-f" | "--config" | "-t" | "--timeout" | "-p" | "--pid-file" | "--root" => {
                let Some(value) = args.next() else {
                    return Asked::Wrong(format!("option '{arg}' requires an argument"));
                };
                match arg.as_str() {
                    "-f" | "--config" => options.config = Some(value.into()),
                    "-p" | "--pid-file" => options.pid_file = Some(value.into()),
                    "--root" => options.root = value.into(),
                    _ => match value.parse() {
                        Ok(seconds) if seconds > 0 => options.timeout = Some(seconds),
                        _ => return Asked::Wrong(format!("Invalid value for timeout: {value}")),
                    },
                }
            }
            _ => return Asked::Wrong(format!("unrecognized option '{arg}'")),
        }
    }
    Asked::Serve(options)
}

/// The help text.
pub(crate) fn help(program: &str) -> String {
    format!(
        "
Usage:
  {program} [options]

Options:
  -h | --help            Display program help
  -v | --verbose         Verbose messages
  -d | --daemon          Run as a daemon & write PID file
  -l | --listen          Listen for TCP/IP connections
  -t | --timeout <secs>  Exit after timeout period
  -f | --config <file>   Configuration file
  -V | --version         Display version information
  -p | --pid-file <file> Change name of PID file
       --root <dir>      Use paths below this folder

libvirt management daemon:

  Default paths:

    Configuration file (unless overridden by -f):
      /etc/libvirt/libvirtd.conf

    Sockets:
      /run/libvirt/libvirt-sock
      /run/libvirt/libvirt-sock-ro

    PID file (unless overridden by -p):
      /run/{program}.pid

"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &Asked) {
        assert_eq!(&parse(line.split_whitespace().map(str::to_owned)), expected, "{line}");
    }

    #[test]
    fn command_lines() {
        let base = Options { root: "/".into(), ..Options::default() };
        check("", &Asked::Serve(base.clone()));
        check("--root=/x -v", &Asked::Serve(Options { root: "/x".into(), verbose: true, ..base.clone() }));
        check("-t 30 -f c", &Asked::Serve(Options { timeout: Some(30), config: Some("c".into()), ..base }));
        check("-t x", &Asked::Wrong("Invalid value for timeout: x".to_owned()));
        check("--bogus", &Asked::Wrong("unrecognized option '--bogus'".to_owned()));
        check("-p", &Asked::Wrong("option '-p' requires an argument".to_owned()));
        check("-h", &Asked::Help);
    }
}
