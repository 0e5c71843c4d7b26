//! Measures a daemon over its socket, and another one beside it.
//!
//! ```text
//! cargo xtask bench [--socket SOCKET] [--against SOCKET] [--stock] [--repeat N] [--only NAME]... [--quick] [--json]
//! cargo xtask bench --hostile [--attackers FACTOR] [--socket SOCKET] [--only NAME]... [--quick]
//! cargo xtask bench --documents [--only NAME]... [--quick] [--json]
//! cargo xtask bench --planning [--only NAME]... [--quick] [--json]
//! ```
//!
//! Without `--socket` a daemon of this workspace is started below a temporary root. Each measure is a line
//! `name value unit`; with `--against` a second value for the daemon behind that socket, and the ratio. Both are
//! spoken to by the same client, so the figures differ by the daemons alone: a client of this workspace, or with
//! `--stock` the client library that is installed. Values are medians; with `--repeat` medians of so many repetitions, in
//! which both daemons take turns.

#![allow(clippy::print_stdout, reason = "the figures go to standard output")]

mod documents;
mod hostile;
mod measures;
mod networks;
mod planning;
mod stock;
mod subject;

use measures::{Figure, MEASURES};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use stock::Stock;
use subject::Subject;

/// As in the daemon, for measures of documents.
#[global_allocator]
static BLOCKS: host::blocks::Blocks = host::blocks::Blocks;

#[derive(Debug, Default)]
struct Options {
    socket: Option<PathBuf>,
    against: Option<PathBuf>,
    only: Vec<String>,
    quick: bool,
    hostile: bool,
    /// So many times the usual number of attackers.
    attackers: usize,
    stock: bool,
    repeat: usize,
    documents: bool,
    planning: bool,
    json: bool,
}

const USAGE: &str = "usage: bench [--socket SOCKET] [--against SOCKET] [--stock] [--repeat N] [--only NAME]... [--documents] [--planning] [--hostile] [--attackers FACTOR] [--quick] [--json]";

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { repeat: 1, attackers: 1, ..Options::default() };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--socket" => options.socket = Some(value()?.into()),
            "--against" => options.against = Some(value()?.into()),
            "--only" => options.only.push(value()?),
            "--quick" => options.quick = true,
            "--attackers" => {
                options.attackers = value()?.parse().map_err(|_| "--attackers takes a number")?;
            }
            "--hostile" => options.hostile = true,
            "--stock" => options.stock = true,
            "--repeat" => options.repeat = value()?.parse().map_err(|_| "--repeat takes a number")?,
            "--documents" => options.documents = true,
            "--planning" => options.planning = true,
            "--json" => options.json = true,
            _ => return Err(format!("unknown option {arg}")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    host::blocks::keep();
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("bench: {text}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|only| only == name);
    if options.documents || options.planning {
        let bench = documents::Bench::new(options.quick)?;
        let measures = if options.planning { planning::MEASURES } else { documents::MEASURES };
        for (name, unit, measure) in measures.iter().filter(|(name, ..)| wanted(name)) {
            line(name, unit, &measure(&bench), None, options.json);
        }
        return Ok(());
    }
    let mut ours = match &options.socket {
        Some(socket) => Subject::foreign(socket.clone()),
        None => Subject::own()?,
    };
    if options.hostile {
        return hostile::run(&ours, options.quick, options.attackers.max(1), &wanted);
    }
    let mut theirs = options.against.clone().map(Subject::foreign);
    let stock = if options.stock { Some(Arc::new(Stock::build()?)) } else { None };
    ours.stock.clone_from(&stock);
    if let Some(theirs) = &mut theirs {
        theirs.stock = stock;
    }
    for (name, unit, measure) in MEASURES {
        if !wanted(name) {
            continue;
        }
        let of = |subject: &mut Subject| -> Figure { measure(subject, options.quick) };
        let (mut first, mut second) = (Vec::new(), Vec::new());
        // In turns, so that other work of the machine meets both.
        for _ in 0..options.repeat.max(1) {
            first.push(of(&mut ours));
            second.extend(theirs.as_mut().map(of));
        }
        let first = middle(first).unwrap_or_else(|| Err("not measured".to_owned()));
        let second = middle(second);
        line(name, unit, &first, second.as_ref(), options.json);
    }
    Ok(())
}

/// The median of several figures, if there are any; a failure among them is one.
fn middle(figures: Vec<Figure>) -> Option<Figure> {
    let mut values = match figures.into_iter().collect::<Result<Vec<f64>, String>>() {
        Ok(values) => values,
        Err(text) => return Some(Err(text)),
    };
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().map(Ok)
}

fn line(name: &str, unit: &str, ours: &Figure, theirs: Option<&Figure>, json: bool) {
    let show = |figure: &Figure| match figure {
        Ok(value) => format!("{value:.1}"),
        Err(_) => "-".to_owned(),
    };
    let ratio = match (ours, theirs) {
        (Ok(ours), Some(Ok(theirs))) if *theirs > 0.0 => Some(ours / theirs),
        _ => None,
    };
    if json {
        let number = |figure: Option<&Figure>| match figure {
            Some(Ok(value)) => format!("{value:.3}"),
            _ => "null".to_owned(),
        };
        let ratio = ratio.map_or_else(|| "null".to_owned(), |ratio| format!("{ratio:.3}"));
        println!(
            "{{\"name\":\"{name}\",\"unit\":\"{unit}\",\"value\":{},\"against\":{},\"ratio\":{ratio}}}",
            number(Some(ours)),
            number(theirs)
        );
    } else {
        let second = theirs.map(|theirs| format!(" {}", show(theirs))).unwrap_or_default();
        let ratio = ratio.map(|ratio| format!(" ratio {ratio:.2}")).unwrap_or_default();
        println!("{name} {}{second} {unit}{ratio}", show(ours));
    }
    for figure in [Some(ours), theirs].into_iter().flatten() {
        if let Err(text) = figure {
            eprintln!("{name}: {text}");
        }
    }
}
