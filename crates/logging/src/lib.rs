//! The daemon's log, with libvirt's filters and outputs.
//!
//! A filter is `LEVEL:MATCH`: modules whose name contains MATCH are logged from LEVEL on. An output is
//! `LEVEL:stderr`, `LEVEL:file:PATH`, `LEVEL:syslog:NAME` or `LEVEL:journald`. Levels: 1 debug, 2 info, 3 warning,
//! 4 error. Lines look like the reference's: `2026-01-01 00:00:00.000+0000: PID: warning : MODULE:LINE : TEXT`.

mod output;
mod spec;
mod time;

pub use spec::{Filter, Output, SpecError, Target};

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::sync::{OnceLock, RwLock};

#[derive(Debug, Default)]
struct State {
    filters: Vec<Filter>,
    outputs: Vec<(Output, output::Sink)>,
    /// Level of modules that no filter matches.
    level: u8,
}

#[derive(Debug, Default)]
struct Logger(RwLock<State>);

static LOGGER: OnceLock<Logger> = OnceLock::new();

fn number(level: Level) -> u8 {
    match level {
        Level::Trace | Level::Debug => 1,
        Level::Info => 2,
        Level::Warn => 3,
        Level::Error => 4,
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let Ok(state) = self.0.read() else { return false };
        let module = metadata.target();
        let least = state
            .filters
            .iter()
            .find(|filter| module.contains(&filter.module))
            .map_or(state.level, |f| f.level);
        number(metadata.level()) >= least
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = number(record.level());
        let line = format!(
            "{}: {}: {} : {}:{} : {}\n",
            time::stamp(),
            rustix::thread::gettid().as_raw_nonzero(),
            ["", "debug", "info", "warning", "error"][usize::from(level)],
            record.target().rsplit("::").next().unwrap_or_default(),
            record.line().unwrap_or(0),
            record.args()
        );
        let Ok(state) = self.0.read() else { return };
        for (output, sink) in &state.outputs {
            if level >= output.level {
                sink.write(level, &line, record.args());
            }
        }
    }

    fn flush(&self) {}
}

/// Filters and outputs in force, in their notation.
pub fn current() -> (Vec<String>, Vec<String>) {
    let Some(state) = LOGGER.get().and_then(|logger| logger.0.read().ok()) else { return Default::default() };
    let filters = state.filters.iter().map(ToString::to_string).collect();
    (filters, state.outputs.iter().map(|(output, _)| output.to_string()).collect())
}

/// Changes the filters.
///
/// # Errors
/// When the text is none; nothing changes then.
pub fn set_filters(text: &str) -> Result<(), String> {
    let filters = Filter::parse_all(text).map_err(|error| error.to_string())?;
    let Some(logger) = LOGGER.get() else { return Ok(()) };
    let (level, outputs) = {
        let state = logger.0.read().map_err(|error| error.to_string())?;
        (state.level, state.outputs.iter().map(|(output, _)| output.clone()).collect::<Vec<_>>())
    };
    set(level, filters, &outputs).map_err(|error| error.to_string())
}

/// Changes the outputs.
///
/// # Errors
/// When the text is none or an output cannot be opened; nothing changes then.
pub fn set_outputs(text: &str) -> Result<(), String> {
    let outputs = Output::parse_all(text).map_err(|error| error.to_string())?;
    let Some(logger) = LOGGER.get() else { return Ok(()) };
    let (level, filters) = {
        let state = logger.0.read().map_err(|error| error.to_string())?;
        (state.level, state.filters.clone())
    };
    set(level, filters, &outputs).map_err(|error| error.to_string())
}

/// Sets what is logged and where to, now and again after a reload.
///
/// # Errors
/// When an output cannot be opened; the old ones stay then.
pub fn set(level: u8, filters: Vec<Filter>, outputs: &[Output]) -> std::io::Result<()> {
    let mut opened = Vec::new();
    for output in outputs {
        opened.push((output.clone(), output::Sink::open(&output.target)?));
    }
    let logger = LOGGER.get_or_init(Logger::default);
    let least = filters.iter().map(|filter| filter.level).chain([level]).min().unwrap_or(3);
    if let Ok(mut state) = logger.0.write() {
        *state = State { filters, outputs: opened, level };
    }
    // A second call finds the logger set already, which is what is wanted.
    let _ = log::set_logger(logger);
    log::set_max_level(match least {
        0 | 1 => LevelFilter::Debug,
        2 => LevelFilter::Info,
        3 => LevelFilter::Warn,
        _ => LevelFilter::Error,
    });
    Ok(())
}
