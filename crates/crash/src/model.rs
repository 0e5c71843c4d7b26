//! What may be found of one domain after a crash.

/// State of a domain as far as clients can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct State {
    /// Mark of the stored definition; `None` when the domain is not defined.
    pub(crate) stored: Option<u64>,
    /// Whether it runs.
    pub(crate) running: bool,
}

/// What a client does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Defines or redefines, with a mark of its own.
    Define(u64),
    Start,
    Destroy,
    Undefine,
}

impl State {
    /// The state after a step that succeeded. Steps are chosen so that they can succeed.
    pub(crate) fn after(self, step: Step) -> State {
        match step {
            Step::Define(mark) => State { stored: Some(mark), ..self },
            Step::Start => State { running: true, ..self },
            Step::Destroy => State { running: false, ..self },
            Step::Undefine => State { stored: None, ..self },
        }
    }

    /// A step that makes sense in this state, chosen by `dice`. Domains are undefined only when they do not run: a
    /// transient guest would be gone with its end, which is no state of its own.
    pub(crate) fn choose(self, dice: u64, mark: u64) -> Step {
        match (self.stored, self.running) {
            (None, _) => Step::Define(mark),
            (Some(_), true) => match dice % 4 {
                0 => Step::Define(mark),
                _ => Step::Destroy,
            },
            (Some(_), false) => match dice % 6 {
                0 | 1 => Step::Define(mark),
                2 => Step::Undefine,
                _ => Step::Start,
            },
        }
    }
}

/// What one client knows of its domain.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    /// After the last acknowledged step.
    pub(crate) acknowledged: State,
    /// The step that was sent and not answered.
    pub(crate) under_way: Option<Step>,
}

impl Known {
    /// Whether a state may be found.
    pub(crate) fn allows(self, found: State) -> bool {
        found == self.acknowledged
            || self.under_way.is_some_and(|step| found == self.acknowledged.after(step))
    }
}

/// Numbers that look random and are the same for the same seed (xorshift).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_or_new_and_nothing_else() {
        let old = State { stored: Some(1), running: false };
        let known = Known { acknowledged: old, under_way: Some(Step::Define(2)) };
        assert!(known.allows(old) && known.allows(State { stored: Some(2), running: false }));
        assert!(!known.allows(State { stored: None, running: false }));
        assert!(!known.allows(State { stored: Some(2), running: true }));
    }
}
