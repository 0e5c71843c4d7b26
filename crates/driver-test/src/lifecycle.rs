//! Starting, pausing and stopping domains.

use crate::world::{CRASHED, PAUSED, RUNNING, World, life, parse_domain};
use crate::{Test, fail, invalid, known};
use api::{Call, DomainLifecycle};
use base::object::DomainRef;
use base::{Error, ErrorCode, ErrorDomain, Result};

fn internal<T>(text: String) -> Result<T> {
    Err(Error::internal(ErrorDomain::TEST, text))
}

fn create(world: &mut World, dom: &DomainRef, flags: u32) -> Result<DomainRef> {
    let known = world.dom(dom)?;
    if known.active() {
        return internal(format!("Domain '{}' is already running", dom.name));
    }
    let restored = known.managed_save;
    let at = world.domains.iter().position(|known| known.def.uuid == dom.uuid).unwrap_or_default();
    let now = world.start(at, if restored { 3 } else { 1 });
    world.happened(now.clone(), life::STARTED, i32::from(restored) * 2);
    if flags & 1 != 0 {
        world.domains[at].state = PAUSED;
        world.domains[at].reason = 1;
        world.happened(now.clone(), life::SUSPENDED, 0);
    }
    Ok(now)
}

fn create_new(world: &mut World, xml: &str, flags: u32) -> Result<DomainRef> {
    let def = parse_domain(xml, true)?;
    let (at, _) = world.take(def.clone(), true)?;
    world.domains[at].run_as(def);
    let now = world.start(at, 1);
    world.happened(now.clone(), life::STARTED, 0);
    if flags & 1 != 0 {
        world.domains[at].state = PAUSED;
        world.domains[at].reason = 1;
        world.happened(now.clone(), life::SUSPENDED, 0);
    }
    Ok(now)
}

/// What happens by the definition's `on_…` elements.
fn by_action(
    world: &mut World,
    dom: &DomainRef,
    element: &str,
    reason: i32,
    event: (i32, i32),
) -> Result<()> {
    let known = world.running(dom)?;
    let action = known.def.tree.text_of(element).unwrap_or("destroy").to_owned();
    let now = known.reference();
    if matches!(action.as_str(), "restart" | "rename-restart" | "coredump-restart") {
        known.state = RUNNING;
        known.reason = 1;
        return Ok(());
    }
    world.stop(dom.uuid, reason);
    world.happened(now, event.0, event.1);
    Ok(())
}

impl DomainLifecycle for Test {
    fn domain_create(&self, _: &Call, dom: &DomainRef) -> Result<()> {
        self.change(|world| create(world, dom, 0).map(drop))
    }

    fn domain_create_with_flags(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<DomainRef> {
        known(flags, 1, "testDomainCreateWithFlags")?;
        self.change(|world| create(world, dom, flags))
    }

    fn domain_create_with_files(&self, cx: &Call, dom: &DomainRef, flags: u32) -> Result<DomainRef> {
        drop(cx.take_fds());
        known(flags, 1, "testDomainCreateWithFlags")?;
        self.change(|world| create(world, dom, flags))
    }

    fn domain_create_xml(&self, _: &Call, xml: &str, flags: u32) -> Result<DomainRef> {
        known(flags, 0x11, "testDomainCreateXML")?;
        self.change(|world| create_new(world, xml, flags))
    }

    fn domain_create_xml_with_files(&self, cx: &Call, xml: &str, flags: u32) -> Result<DomainRef> {
        drop(cx.take_fds());
        known(flags, 0x11, "testDomainCreateXML")?;
        self.change(|world| create_new(world, xml, flags))
    }

    fn domain_suspend(&self, _: &Call, dom: &DomainRef) -> Result<()> {
        self.change(|world| {
            let known = world.running(dom)?;
            if known.state != RUNNING {
                return internal(format!("domain '{}' not running", dom.name));
            }
            known.state = PAUSED;
            known.reason = 1;
            let now = known.reference();
            world.happened(now, life::SUSPENDED, 0);
            Ok(())
        })
    }

    fn domain_resume(&self, _: &Call, dom: &DomainRef) -> Result<()> {
        self.change(|world| {
            let known = world.running(dom)?;
            if known.state != PAUSED {
                return internal(format!("domain '{}' not paused", dom.name));
            }
            known.state = RUNNING;
            known.reason = 5;
            let now = known.reference();
            world.happened(now, life::RESUMED, 0);
            Ok(())
        })
    }

    fn domain_destroy(&self, cx: &Call, dom: &DomainRef) -> Result<()> {
        self.domain_destroy_flags(cx, dom, 0)
    }

    fn domain_destroy_flags(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        known(flags, 1, "testDomainDestroyFlags")?;
        self.change(|world| {
            let now = world.running(dom)?.reference();
            world.stop(dom.uuid, 2);
            world.happened(now, life::STOPPED, 1);
            Ok(())
        })
    }

    fn domain_shutdown(&self, cx: &Call, dom: &DomainRef) -> Result<()> {
        self.domain_shutdown_flags(cx, dom, 0)
    }

    fn domain_shutdown_flags(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        known(flags, 0, "testDomainShutdownFlags")?;
        self.change(|world| by_action(world, dom, "on_poweroff", 1, (life::SHUTDOWN, 0)))
    }

    fn domain_reboot(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        known(flags, 3, "testDomainReboot")?;
        self.change(|world| by_action(world, dom, "on_reboot", 1, (life::STOPPED, 0)))
    }

    fn domain_reset(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        known(flags, 0, "testDomainReset")?;
        self.change(|world| world.running(dom).map(drop))
    }

    fn domain_inject_nmi(&self, _: &Call, dom: &DomainRef, flags: u32) -> Result<()> {
        known(flags, 0, "testDomainInjectNMI")?;
        self.change(|world| world.running(dom).map(drop))
    }

    fn domain_send_process_signal(
        &self,
        _: &Call,
        dom: &DomainRef,
        pid: i64,
        signum: u32,
        flags: u32,
    ) -> Result<()> {
        known(flags, 0, "testDomainSendProcessSignal")?;
        self.change(|world| {
            if pid != 1 {
                return fail(ErrorCode::OPERATION_INVALID, "only sending a signal to pid 1 is supported");
            }
            if signum >= 64 {
                return fail(ErrorCode::INVALID_ARG, format!("signum value {signum} is out of range"));
            }
            let now = world.running(dom)?.reference();
            match signum {
                // Those that end or break whatever gets them.
                9 | 15 => {
                    world.stop(dom.uuid, 2);
                    world.happened(now, life::STOPPED, 0);
                }
                3 | 4 | 5 | 6 | 7 | 8 | 11 => {
                    let known = world.running(dom)?;
                    known.state = CRASHED;
                    known.reason = 1;
                    world.happened(now, life::CRASHED, 0);
                }
                _ => {}
            }
            Ok(())
        })
    }

    fn domain_set_lifecycle_action(
        &self,
        _: &Call,
        dom: &DomainRef,
        kind: u32,
        action: u32,
        flags: u32,
    ) -> Result<()> {
        known(flags, 3, "testDomainSetLifecycleAction")?;
        let elements = ["on_poweroff", "on_reboot", "on_crash"];
        let actions =
            ["destroy", "restart", "rename-restart", "preserve", "coredump-destroy", "coredump-restart"];
        let (Some(element), Some(action)) = (elements.get(kind as usize), actions.get(action as usize))
        else {
            return invalid("unknown lifecycle type or action");
        };
        self.change(|world| {
            world.dom(dom)?.each(flags, |def| {
                let element = def.tree.child_or_new(element);
                element.text = Some((*action).to_owned());
                Ok(())
            })
        })
    }
}
