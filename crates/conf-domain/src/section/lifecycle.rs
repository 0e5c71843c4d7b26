//! What happens when a guest powers off, reboots, crashes or loses its lock: `<on_poweroff>` and its relatives.

use crate::Domain;
use crate::fault::unsupported;
use base::Result;
use xml::Tree;

/// What may be said of a guest's own end.
const ACTIONS: &[&str] =
    &["destroy", "restart", "rename-restart", "preserve", "coredump-destroy", "coredump-restart"];

/// What may be said of a lost lock.
const LOCK_ACTIONS: &[&str] = &["default", "poweroff", "restart", "pause", "ignore"];

/// Elements with what holds when they say nothing.
const EVENTS: &[(&str, Option<&str>)] = &[
    ("on_poweroff", Some("destroy")),
    ("on_reboot", Some("restart")),
    ("on_crash", Some("destroy")),
    ("on_lockfailure", None),
];

/// Reads the actions and fills in those that are not given.
pub(crate) fn complete(tree: &mut Tree) -> Result<()> {
    for (name, default) in EVENTS {
        let known = if *name == "on_lockfailure" { LOCK_ACTIONS } else { ACTIONS };
        let text = tree.text_of(name).unwrap_or_default();
        if !text.is_empty() && !known.contains(&text) {
            return Err(unsupported(format!("unknown {name} action: {text}")));
        }
        if !matches!(text, "" | "default") && tree.all(name).count() == 1 {
            continue;
        }
        let text = text.to_owned();
        tree.remove(name);
        let action = if text.is_empty() { *default } else { Some(text.as_str()) };
        if let Some(action) = action.filter(|action| *action != "default") {
            tree.children.push(Tree::leaf(name, action));
        }
    }
    Ok(())
}

/// Refuses a dump of the memory of a guest that has not crashed. `event` is `poweroff`, `reboot` or `crash`.
///
/// # Errors
/// When no driver does this on this event.
pub fn allowed(event: &str, action: &str) -> Result<()> {
    if event != "crash" && action.starts_with("coredump-") {
        return Err(unsupported(format!("Lifecycle event '{event}' doesn't support '{action}' action")));
    }
    Ok(())
}

/// Checks the actions of a definition.
pub(crate) fn check(domain: &Domain) -> Result<()> {
    for (name, event) in [("on_poweroff", "poweroff"), ("on_reboot", "reboot"), ("on_crash", "crash")] {
        allowed(event, domain.tree.text_of(name).unwrap_or_default())?;
    }
    Ok(())
}
