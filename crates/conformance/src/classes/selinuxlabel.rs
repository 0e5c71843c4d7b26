//! `selinuxlabel`: contexts of a guest's files.

use super::{Verdict, qemuxmlconf, whole};
use crate::compare;
use crate::manifest::Case;
use conf_domain::{Domain, ParseFlags};
use seclabel::{Contexts, Found};

/// Runs one case.
pub(crate) fn run(case: &Case) -> Verdict {
    whole(outcome(case))
}

fn outcome(case: &Case) -> Result<(), String> {
    let domain = Domain::parse(&case.read("input")?, ParseFlags::default(), &mut qemuxmlconf::random())
        .map_err(|error| error.to_string())?;
    let expected = case.read("expected")?;
    let files: Vec<&str> = expected.lines().filter_map(|line| line.split(';').next()).collect();
    // Every file of the list exists.
    let all: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
    let found = Found { pipes: all.clone(), sockets: all, ..Found::default() };
    let labels = seclabel::selinux(&domain, &seclabel::subjects(&domain, &found), &Contexts::default());
    let mut out = String::new();
    for file in files {
        // The last label counts; below `/nfs` there are none.
        let label = labels.iter().rev().find(|label| label.path == file);
        let label = match label.map(|label| label.label.as_str()) {
            Some(_) if file.starts_with("/nfs/") => "EOPNOTSUPP",
            other => other.unwrap_or_default(),
        };
        out.push_str(&format!("{file};{label}\n"));
    }
    compare::as_is(&expected, &out)
}
