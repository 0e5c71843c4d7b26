//! Talking to the emulator and to the guest's agent directly.

use crate::guest::MONITOR_WAIT;
use crate::{Driver, FROM, check_flags};
use api::{Call, LxcNamespace, QemuMonitor};
use base::object::DomainRef;
use base::{Error, Result};
use engine::JobKind;
use qmp::CommandError;
use serde_json::{Value as Json, json};

/// The command is in the language for people.
const HMP: u32 = 1;

impl QemuMonitor for Driver {
    fn domain_monitor_command(&self, _cx: &Call, dom: &DomainRef, cmd: &str, flags: u32) -> Result<String> {
        check_flags(flags, HMP, "qemuDomainQemuMonitorCommandWithFiles")?;
        let guest = self.find(dom)?;
        let _job = guest.begin(JobKind::Query, "monitor command")?;
        let live = guest.live()?;
        log::warn!("guest '{}': a client talks to the monitor directly: {cmd:.200}", dom.name);
        if flags & HMP != 0 {
            let answer = live.command("human-monitor-command", json!({"command-line": cmd}))?;
            return Ok(answer.as_str().unwrap_or_default().to_owned());
        }
        let document: Json = serde_json::from_str(cmd)
            .map_err(|cause| Error::internal(FROM, format!("cannot parse json {cmd}: {cause}")))?;
        if !document.is_object() {
            return Err(Error::internal(FROM, "the command is no JSON object"));
        }
        let id = document.get("id").cloned();
        // The answer is what the emulator said, error or not, with the id that the monitor's connection gave.
        let mut answer = match live.monitor.raw(document, MONITOR_WAIT) {
            Ok(value) => json!({"return": value}),
            Err(CommandError::Refused { class, description }) => {
                json!({"error": {"class": class, "desc": description}})
            }
            Err(cause) => return Err(crate::guest::failed("", &cause)),
        };
        answer["id"] = id.unwrap_or_else(|| json!("libvirt-1"));
        Ok(answer.to_string())
    }

    fn domain_agent_command(
        &self,
        _cx: &Call,
        dom: &DomainRef,
        cmd: &str,
        timeout: i32,
        flags: u32,
    ) -> Result<Option<String>> {
        check_flags(flags, 0, "qemuDomainAgentCommand")?;
        self.agent_text(dom, cmd, timeout)
    }
}

impl LxcNamespace for Driver {}
