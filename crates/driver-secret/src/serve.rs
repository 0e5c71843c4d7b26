//! The procedures.

use crate::{Driver, FROM, check_flags};
use api::consts::connect_list_all_secrets as filter;
use api::secret::ConnectListAllSecretsRet;
use api::{Call, Secret};
use base::object::SecretRef;
use base::{Error, Result, Uuid};

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Whether a secret passes a pair of filter bits: none or both filter nothing.
fn passes(flags: u32, with: u32, without: u32, holds: bool) -> bool {
    match (flags & with != 0, flags & without != 0) {
        (true, false) => holds,
        (false, true) => !holds,
        _ => true,
    }
}

impl Secret for Driver {
    fn connect_num_of_secrets(&self, _cx: &Call) -> Result<i32> {
        Ok(count(self.secrets.snapshot().len()).cast_signed())
    }

    fn connect_list_secrets(&self, _cx: &Call, maxuuids: i32) -> Result<Vec<String>> {
        let most = usize::try_from(maxuuids).unwrap_or(0);
        Ok(self.secrets.snapshot().keys().take(most).map(Uuid::to_string).collect())
    }

    fn connect_list_all_secrets(
        &self,
        _cx: &Call,
        need_results: i32,
        flags: u32,
    ) -> Result<ConnectListAllSecretsRet> {
        check_flags(flags, 15, "secretConnectListAllSecrets")?;
        let snapshot = self.secrets.snapshot();
        let listed = snapshot.values().filter(|held| {
            let secret = held.definition();
            passes(flags, filter::EPHEMERAL, filter::NO_EPHEMERAL, secret.ephemeral)
                && passes(flags, filter::PRIVATE, filter::NO_PRIVATE, secret.private)
        });
        let secrets: Vec<SecretRef> = listed.map(|held| held.reference()).collect();
        let ret = count(secrets.len());
        Ok(ConnectListAllSecretsRet { secrets: if need_results != 0 { secrets } else { Vec::new() }, ret })
    }

    fn secret_lookup_by_uuid(&self, _cx: &Call, uuid: Uuid) -> Result<SecretRef> {
        Ok(self.by_uuid(uuid)?.reference())
    }

    fn secret_lookup_by_usage(&self, _cx: &Call, usage_type: i32, usage_id: &str) -> Result<SecretRef> {
        Ok(self.by_usage(usage_type, usage_id)?.reference())
    }

    fn secret_define_xml(&self, _cx: &Call, xml: &str, flags: u32) -> Result<SecretRef> {
        check_flags(flags, 1, "secretDefineXML")?;
        let secret = conf_secret::Secret::parse(xml, flags & 1 != 0, &mut host::random::bytes::<16>)?;
        self.define(secret)
    }

    fn secret_undefine(&self, _cx: &Call, secret: &SecretRef) -> Result<()> {
        self.undefine(secret.uuid)
    }

    fn secret_get_xml_desc(&self, _cx: &Call, secret: &SecretRef, flags: u32) -> Result<String> {
        check_flags(flags, 0, "secretGetXMLDesc")?;
        Ok(self.by_uuid(secret.uuid)?.definition().format())
    }

    fn secret_set_value(&self, _cx: &Call, secret: &SecretRef, value: &[u8], flags: u32) -> Result<()> {
        check_flags(flags, 0, "secretSetValue")?;
        if value.is_empty() {
            let text = "value in virSecretSetValue must not be NULL";
            return Err(Error::invalid_arg(FROM, "virSecretSetValue", "value", text));
        }
        self.set_value(secret.uuid, value)
    }

    fn secret_get_value(&self, _cx: &Call, secret: &SecretRef, flags: u32) -> Result<Vec<u8>> {
        check_flags(flags, 0, "secretGetValue")?;
        self.told_value(secret.uuid)
    }
}
