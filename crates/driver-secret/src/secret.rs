//! One secret: a definition that readers take as it is, and a value.

use crate::{Driver, FROM, error};
use api::event::{Event, SecretEventLifecyclePayload, SecretEventValueChangedPayload};
use base::object::SecretRef;
use base::{Error, ErrorCode, Result, Uuid};
use conf_secret::Secret;
use engine::Key;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Numbers of `virSecretEventLifecycleType`.
mod lifecycle {
    pub(super) const DEFINED: i32 = 0;
    pub(super) const UNDEFINED: i32 = 1;
}

/// A secret.
#[derive(Debug)]
pub(crate) struct Held {
    uuid: Uuid,
    current: RwLock<Current>,
    /// Held while files are written, so that they follow each other as the changes do.
    changing: Mutex<()>,
}

#[derive(Clone)]
struct Current {
    definition: Arc<Secret>,
    value: Option<Arc<[u8]>>,
}

impl std::fmt::Debug for Current {
    /// Without the value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("definition", &self.definition).finish_non_exhaustive()
    }
}

impl Key for Held {
    fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// Secrets have no names but their identity.
    fn name(&self) -> String {
        self.uuid.to_string()
    }
}

impl Held {
    pub(crate) fn new(definition: Secret, value: Option<Vec<u8>>) -> Held {
        let uuid = definition.uuid;
        let current = Current { definition: Arc::new(definition), value: value.map(Arc::from) };
        Held { uuid, current: RwLock::new(current), changing: Mutex::default() }
    }

    fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is known of it.
    pub(crate) fn definition(&self) -> Arc<Secret> {
        self.current().definition
    }

    /// How a client names it.
    pub(crate) fn reference(&self) -> SecretRef {
        reference(&self.definition())
    }

    /// Its value, for those who may have it.
    pub(crate) fn value(&self) -> Result<Vec<u8>> {
        let value = self.current().value;
        value.map(|value| value.to_vec()).ok_or_else(|| {
            error(ErrorCode::NO_SECRET, format!("secret '{}' does not have a value", self.uuid))
        })
    }
}

fn reference(secret: &Secret) -> SecretRef {
    SecretRef {
        uuid: secret.uuid,
        usage_type: secret.usage.kind.number(),
        usage_id: secret.usage.id().to_owned(),
    }
}

fn taken(text: String) -> Error {
    Error::internal(FROM, text)
}

impl Driver {
    /// The secret with this identity.
    pub(crate) fn by_uuid(&self, uuid: Uuid) -> Result<Arc<Held>> {
        self.secrets
            .by_uuid(uuid)
            .ok_or_else(|| error(ErrorCode::NO_SECRET, format!("no secret with matching uuid '{uuid}'")))
    }

    fn used_for(&self, kind: i32, id: &str) -> Option<Arc<Held>> {
        let secrets = self.secrets.snapshot();
        let found = secrets.values().find(|held| {
            let usage = &held.definition().usage;
            kind != 0 && usage.kind.number() == kind && usage.id() == id
        });
        found.cloned()
    }

    /// The secret for this use.
    pub(crate) fn by_usage(&self, kind: i32, id: &str) -> Result<Arc<Held>> {
        self.used_for(kind, id)
            .ok_or_else(|| error(ErrorCode::NO_SECRET, format!("no secret with matching usage '{id}'")))
    }

    /// A new definition may take the place of `known`, or a place of its own.
    fn place(&self, secret: &Secret, known: Option<&Secret>) -> Result<()> {
        let id = secret.usage.id();
        if let Some(known) = known {
            if known.usage.id() != id {
                let for_what = match known.usage.id() {
                    "" => "(null)",
                    id => id,
                };
                return Err(taken(format!(
                    "a secret with UUID {} is already defined for use with {for_what}",
                    secret.uuid
                )));
            }
            if known.private && !secret.private {
                return Err(taken("cannot change private flag on existing secret".to_owned()));
            }
        }
        match self.used_for(secret.usage.kind.number(), id).filter(|other| other.uuid != secret.uuid) {
            Some(other) => {
                Err(taken(format!("a secret with UUID {} already defined for use with {id}", other.uuid)))
            }
            None => Ok(()),
        }
    }

    /// Defines a secret, or redefines one; a value stays.
    pub(crate) fn define(&self, secret: Secret) -> Result<SecretRef> {
        let named = reference(&secret);
        self.secrets.exclusively(|| {
            let known = self.secrets.by_uuid(secret.uuid);
            let before = known.as_ref().map(|held| held.definition());
            self.place(&secret, before.as_deref())?;
            let held = known.clone().unwrap_or_else(|| Arc::new(Held::new(secret.clone(), None)));
            let _turn = held.changing.lock().unwrap_or_else(PoisonError::into_inner);
            if secret.ephemeral {
                if before.is_some_and(|before| !before.ephemeral) {
                    self.erase(secret.uuid)?;
                }
            } else {
                self.write_definition(&secret)?;
                if let Some(value) = held.current().value {
                    self.write_value(secret.uuid, &value)?;
                }
            }
            held.current.write().unwrap_or_else(PoisonError::into_inner).definition = Arc::new(secret);
            if known.is_none() {
                self.secrets.insert(held.clone());
            }
            Ok(())
        })?;
        self.happened(named.clone(), lifecycle::DEFINED);
        Ok(named)
    }

    /// Forgets a secret and its value.
    pub(crate) fn undefine(&self, uuid: Uuid) -> Result<()> {
        let named = self.secrets.exclusively(|| {
            let held = self.by_uuid(uuid)?;
            let _turn = held.changing.lock().unwrap_or_else(PoisonError::into_inner);
            if !held.definition().ephemeral {
                self.erase(uuid)?;
            }
            self.secrets.remove(uuid);
            Ok::<_, Error>(held.reference())
        })?;
        self.happened(named, lifecycle::UNDEFINED);
        Ok(())
    }

    /// Gives a secret a value.
    pub(crate) fn set_value(&self, uuid: Uuid, value: &[u8]) -> Result<()> {
        let held = self.by_uuid(uuid)?;
        {
            let _turn = held.changing.lock().unwrap_or_else(PoisonError::into_inner);
            // Who undefined it meanwhile does not want its value on disk again.
            self.by_uuid(uuid)?;
            if !held.definition().ephemeral {
                self.write_value(uuid, value)?;
            }
            held.current.write().unwrap_or_else(PoisonError::into_inner).value = Some(Arc::from(value));
        }
        let secret = held.reference();
        self.events.publish(Event::SecretValueChanged(SecretEventValueChangedPayload { secret }));
        Ok(())
    }

    /// The value of a secret, unless clients must not have it.
    pub(crate) fn told_value(&self, uuid: Uuid) -> Result<Vec<u8>> {
        let held = self.by_uuid(uuid)?;
        if held.definition().private {
            return Err(error(ErrorCode::INVALID_SECRET, "secret is private"));
        }
        held.value()
    }

    fn happened(&self, secret: SecretRef, event: i32) {
        self.events.publish(Event::SecretLifecycle(SecretEventLifecyclePayload { secret, event, detail: 0 }));
    }
}
