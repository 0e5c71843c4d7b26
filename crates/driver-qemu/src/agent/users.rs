//! Passwords and keys of users in a guest.

use super::malformed;
use crate::{Driver, check_flags, error};
use base::object::DomainRef;
use base::{ErrorCode, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

impl Driver {
    pub(super) fn set_password(
        &self,
        dom: &DomainRef,
        user: Option<&str>,
        password: Option<&str>,
        flags: u32,
    ) -> Result<()> {
        const ENCRYPTED: u32 = 1;
        check_flags(flags, ENCRYPTED, "qemuDomainSetUserPassword")?;
        let live = self.find(dom)?.live()?;
        let arguments = json!({
            "crypted": flags & ENCRYPTED != 0,
            "username": user.unwrap_or_default(),
            "password": STANDARD.encode(password.unwrap_or_default()),
        });
        live.agent_command("guest-set-user-password", &arguments).map(drop)
    }

    pub(super) fn ssh_keys(&self, dom: &DomainRef, user: &str, flags: u32) -> Result<Vec<String>> {
        const COMMAND: &str = "guest-ssh-get-authorized-keys";
        check_flags(flags, 0, "qemuDomainAuthorizedSSHKeysGet")?;
        let live = self.find(dom)?.live()?;
        let answer = live.agent_command(COMMAND, &json!({"username": user}))?;
        let keys = answer.get("keys").and_then(Json::as_array).ok_or_else(|| malformed(COMMAND))?;
        Ok(keys.iter().filter_map(Json::as_str).map(str::to_owned).collect())
    }

    pub(super) fn set_ssh_keys(
        &self,
        dom: &DomainRef,
        user: &str,
        keys: &[String],
        flags: u32,
    ) -> Result<()> {
        const APPEND: u32 = 1;
        const REMOVE: u32 = 2;
        check_flags(flags, APPEND | REMOVE, "qemuDomainAuthorizedSSHKeysSet")?;
        let live = self.find(dom)?.live()?;
        if flags & REMOVE != 0 {
            let arguments = json!({"username": user, "keys": keys});
            return live.agent_command("guest-ssh-remove-authorized-keys", &arguments).map(drop);
        }
        if keys.is_empty() && flags & APPEND != 0 {
            return Err(error(ErrorCode::INVALID_ARG, "no keys to be appended"));
        }
        let arguments = json!({"username": user, "keys": keys, "reset": flags & APPEND == 0});
        live.agent_command("guest-ssh-add-authorized-keys", &arguments).map(drop)
    }
}
