//! The driver of tests: a host with guests, networks, pools, interfaces and devices that exist in memory only.
//!
//! ```text
//! test:///default      ─▶ one world, shared by all connections that are open at the same time
//! test:///path/to/file ─▶ a world of its own, as the `<node>` document says
//!
//! Test ── lock ──▶ World { domains, networks, pools, interfaces, devices } ── unlock ──▶ event to every connection
//! ```
//!
//! It lives inside the client. Programs and bindings run their own tests on it, and it is the measure of what a driver
//! trait asks for.

mod agent;
mod block;
mod builtin;
mod checkpoint;
mod config;
mod console;
mod device;
mod document;
mod host_side;
mod info;
mod interface;
mod job;
mod lifecycle;
mod lookup;
mod moment;
mod network;
mod node_device;
mod snapshot;
mod storage;
mod tuning;
mod world;

use api::credential::{self, Answerer, Question};
use api::event::Event;
use api::session::{OnEvent, Session, UNNUMBERED};
use base::{Error, ErrorCode, ErrorDomain, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use world::World;

/// A world with those who listen to it.
#[derive(Default)]
struct Shared {
    world: Mutex<World>,
    listeners: Mutex<Vec<Weak<Test>>>,
}

/// The default world, as long as somebody is connected to it.
static DEFAULT: Mutex<Weak<Shared>> = Mutex::new(Weak::new());

/// A connection to a world.
pub struct Test {
    shared: Arc<Shared>,
    on_event: Mutex<Option<OnEvent>>,
}

impl std::fmt::Debug for Test {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Test")
    }
}

/// An error of this driver.
pub(crate) fn fail<T>(code: ErrorCode, text: impl Into<String>) -> Result<T> {
    Err(Error::new(code, ErrorDomain::TEST, text))
}

/// An operation that does not fit the state of things.
pub(crate) fn invalid<T>(text: impl Into<String>) -> Result<T> {
    fail(ErrorCode::OPERATION_INVALID, text)
}

/// Refuses flags that a function does not know.
pub(crate) fn known(flags: u32, mask: u32, function: &str) -> Result<()> {
    let bad = flags & !mask;
    if bad == 0 { Ok(()) } else { Err(Error::unsupported_flags(ErrorDomain::TEST, function, bad)) }
}

/// Opens the path of a URI.
///
/// # Errors
/// When there is no path, or the file cannot be read or does not say what a world is.
pub fn open(path: &str, answerer: Option<&dyn Answerer>) -> Result<Arc<Test>> {
    let shared = match path {
        "" | "/" => return fail(ErrorCode::INVALID_ARG, "testOpen: supply a path or use test:///default"),
        "/default" => {
            let mut default = DEFAULT.lock().unwrap_or_else(PoisonError::into_inner);
            match default.upgrade() {
                Some(shared) => shared,
                None => {
                    let world = Mutex::new(builtin::world()?);
                    let shared = Arc::new(Shared { world, listeners: Mutex::default() });
                    *default = Arc::downgrade(&shared);
                    shared
                }
            }
        }
        file => {
            let world = builtin::from_file(file)?;
            prove(&world, answerer)?;
            let world = Mutex::new(world);
            Arc::new(Shared { world, listeners: Mutex::default() })
        }
    };
    Ok(connect(&shared))
}

/// A world may say who is let in.
fn prove(world: &World, answerer: Option<&dyn Answerer>) -> Result<()> {
    if world.users.is_empty() {
        return Ok(());
    }
    let refuse = |text: &str| Error::new(ErrorCode::AUTH_FAILED, ErrorDomain::TEST, text);
    let ask = |kind: credential::Kind, prompt: &str, failed: &str| {
        let answerer = answerer.filter(|answerer| answerer.knows(kind)).ok_or_else(|| refuse(failed))?;
        answerer.answer(&Question { kind, prompt: prompt.to_owned(), challenge: None, default: None })
    };
    let kind = credential::Kind::AuthName;
    let name = ask(kind, "Enter username for localhost", "authentication failed when asking for username")?;
    let wrong = || refuse("authentication failed, see test XML for the correct username/password");
    let (_, secret) = world.users.iter().find(|(known, _)| *known == name).ok_or_else(wrong)?;
    let Some(secret) = secret else { return Ok(()) };
    let kind = credential::Kind::PassPhrase;
    let prompt = format!("Enter {name}'s password for localhost");
    let given = ask(kind, &prompt, "authentication failed when asking for password")?;
    if given == *secret { Ok(()) } else { Err(wrong()) }
}

/// Opens a default world that nobody else has.
///
/// # Errors
/// Never in practice: the default world is part of the program.
pub fn open_alone() -> Result<Arc<Test>> {
    Ok(connect(&Arc::new(Shared { world: Mutex::new(builtin::world()?), listeners: Mutex::default() })))
}

fn connect(shared: &Arc<Shared>) -> Arc<Test> {
    let test = Arc::new(Test { shared: shared.clone(), on_event: Mutex::default() });
    let mut listeners = shared.listeners.lock().unwrap_or_else(PoisonError::into_inner);
    listeners.retain(|listener| listener.strong_count() > 0);
    listeners.push(Arc::downgrade(&test));
    test
}

impl Test {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the world; what it says has happened is told when the lock is gone.
    pub(crate) fn change<T>(&self, work: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
        let (outcome, events) = {
            let mut world = self.world();
            let outcome = work(&mut world);
            (outcome, std::mem::take(&mut world.events))
        };
        for event in events {
            self.publish(&event);
        }
        outcome
    }

    fn publish(&self, event: &Event) {
        let listeners: Vec<Arc<Test>> = {
            let listeners = self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.iter().filter_map(Weak::upgrade).collect()
        };
        for listener in listeners {
            let action = listener.on_event.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(action) = action {
                action(UNNUMBERED, event.clone());
            }
        }
    }
}

impl Session for Test {
    fn is_local(&self) -> bool {
        true
    }

    fn on_event(&self, action: OnEvent) {
        *self.on_event.lock().unwrap_or_else(PoisonError::into_inner) = Some(action);
    }
}

impl api::Hypervisor for Test {
    fn supports_feature(&self, feature: i32) -> bool {
        // Typed parameters may be texts; networks are updated in the right order of arguments.
        matches!(feature, 9 | 16)
    }
}

impl api::DomainMigration for Test {}
impl api::QemuMonitor for Test {}
impl api::LxcNamespace for Test {}
impl api::Secret for Test {}
impl api::Nwfilter for Test {}

#[cfg(test)]
mod tests {
    use super::*;
    use api::credential::Kind;
    use api::{Call, DomainConfig, DomainJob, DomainLifecycle, DomainLookup};

    /// Answers every question with the same text.
    struct Says(&'static str);

    impl Answerer for Says {
        fn knows(&self, kind: Kind) -> bool {
            matches!(kind, Kind::AuthName | Kind::PassPhrase)
        }

        fn answer(&self, _: &Question) -> Result<String> {
            Ok(self.0.to_owned())
        }
    }

    #[test]
    fn a_file_says_what_exists_and_who_is_let_in() {
        let path = std::env::temp_dir().join(format!("ferrovirt-world-{}.xml", std::process::id()));
        let domain = "<domain type='test'><name>a</name><memory>1</memory><os><type>hvm</type></os></domain>";
        std::fs::write(&path, format!("<node>{domain}<auth><user password='me'>me</user></auth></node>"))
            .unwrap();
        let file = path.to_string_lossy().into_owned();
        assert_eq!(open(&file, None).unwrap_err().code(), ErrorCode::AUTH_FAILED);
        assert_eq!(open(&file, Some(&Says("you"))).unwrap_err().code(), ErrorCode::AUTH_FAILED);
        let test = open(&file, Some(&Says("me"))).unwrap();
        assert_eq!(test.domain_lookup_by_name(&Call::internal(), "a").unwrap().id, 1);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_saved_comes_back_and_the_stored_definition_stays() {
        let (test, cx) = (open_alone().unwrap(), Call::internal());
        let dom = test.domain_lookup_by_name(&cx, "test").unwrap();
        let path = std::env::temp_dir().join(format!("ferrovirt-saved-{}", std::process::id()));
        let file = path.to_string_lossy().into_owned();
        let before = test.domain_get_xml_desc(&cx, &dom, 2).unwrap();
        test.domain_save(&cx, &dom, &file).unwrap();
        assert_eq!(test.domain_lookup_by_name(&cx, "test").unwrap().id, -1);
        test.domain_restore(&cx, &file).unwrap();
        assert_eq!(test.domain_lookup_by_name(&cx, "test").unwrap().id, 2);
        assert_eq!(test.domain_get_xml_desc(&cx, &dom, 2).unwrap(), before);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn refusals() {
        let (test, cx) = (open_alone().unwrap(), Call::internal());
        let dom = test.domain_lookup_by_name(&cx, "test").unwrap();
        let text = |outcome: Result<()>| outcome.unwrap_err().message().to_owned();
        assert_eq!(text(test.domain_create(&cx, &dom)), "internal error: Domain 'test' is already running");
        assert_eq!(text(test.domain_resume(&cx, &dom)), "internal error: domain 'test' not paused");
        test.domain_destroy(&cx, &dom).unwrap();
        let not_running = "Requested operation is not valid: domain is not running";
        assert_eq!(text(test.domain_destroy(&cx, &dom)), not_running);
        assert!(open("", None).unwrap_err().message().contains("supply a path"));
    }
}
